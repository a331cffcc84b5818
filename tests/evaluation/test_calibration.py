import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluation.answers import Answers
from burnish.evaluation.calibration import ece, reliability
from burnish.records import LabelSpace

SPACE = LabelSpace(names=("no", "yes"), multi_label=False, positive="yes")


def error(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Return the metric for rows all answered `yes` with such confidence, right where told."""
    n = len(confidence)
    return ece.function(
        Answers(
            ids=tuple(map(str, range(n))),
            space=SPACE,
            truth=np.column_stack([~correct, correct]),
            answer=np.tile([False, True], (n, 1)),
            scores=np.column_stack([1 - confidence, confidence]),
        )
    )


def test_error_of_a_case_worked_by_hand() -> None:
    # Two bins of five: 0.9 said, 3 of 4 right → gap 0.15 on 4 rows; 0.1 said, right → 0.9 on 1.
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.1])
    correct = np.array([True, True, True, False, True])

    assert error(confidence, correct) == pytest.approx(4 / 5 * 0.15 + 1 / 5 * 0.9)


def test_bins_are_closed_above_and_empty_ones_are_listed() -> None:
    bins = reliability(
        np.array([0.0, 0.5, 0.500001, 1.0]), np.array([False, True, True, True]), bins=2
    )

    assert [b.n for b in bins] == [2, 2]
    assert bins[0].frequency == 0.5
    assert [b.n for b in reliability(np.array([0.99]), np.array([True]), bins=4)] == [0, 0, 0, 1]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80))
def test_error_is_a_fraction_and_bins_hold_every_row(rows: list[tuple[float, bool]]) -> None:
    confidence = np.array([c for c, _ in rows])
    correct = np.array([r for _, r in rows])

    bins = reliability(confidence, correct)

    assert 0 <= error(confidence, correct) <= 1
    assert sum(b.n for b in bins) == len(rows)
    assert all(b.low - 1e-9 <= b.confidence <= b.high + 1e-9 for b in bins if b.n)


def test_probabilities_that_come_true_as_often_as_they_say_have_no_error() -> None:
    confidence = np.repeat([0.2, 0.8], 10)
    correct = np.r_[np.arange(10) < 2, np.arange(10) < 8]

    assert error(confidence, correct) == pytest.approx(0)


def test_logits_and_unequal_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="probabilities, not logits"):
        reliability(np.array([2.5]), np.array([True]))
    with pytest.raises(ValueError, match=r"\(2,\) and correct \(1,\)"):
        reliability(np.array([0.5, 0.5]), np.array([True]))
    with pytest.raises(ValueError, match="no rows"):
        reliability(np.array([]), np.array([], dtype=bool))
