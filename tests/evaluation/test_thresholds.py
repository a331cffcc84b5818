import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluation.answers import Answers
from burnish.evaluation.thresholds import rechoose, tune_thresholds
from burnish.records import LabelSpace


def test_a_label_that_is_clearly_cut_elsewhere_gets_its_own_threshold() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((4000, 2)) < 0.3
    # Label 0 parts at 0.2, label 1 at 0.8; each has over a thousand positives.
    scores = np.where(
        truth, rng.uniform([0.2, 0.8], 1, (4000, 2)), rng.uniform(0, [0.2, 0.8], (4000, 2))
    )

    low, high = tune_thresholds(scores, truth)

    assert low == pytest.approx(0.2, abs=0.06)
    assert high == pytest.approx(0.8, abs=0.06)


def test_a_rare_label_is_pulled_to_the_shared_threshold() -> None:
    rng = np.random.default_rng(1)
    truth = np.column_stack([rng.random(2000) < 0.4, np.arange(2000) < 3])
    scores = np.where(truth, rng.uniform(0.5, 1, (2000, 2)), rng.uniform(0, 0.5, (2000, 2)))
    scores[:3, 1] = 0.999  # three lucky rows: alone they would ask for a cut near 1

    shrunk = tune_thresholds(scores, truth)
    alone = tune_thresholds(scores, truth, shrinkage=0)
    shared = tune_thresholds(scores, truth, shrinkage=1e12)

    assert shared[0] == pytest.approx(shared[1])
    assert abs(shrunk[1] - shared[1]) < 0.1 * abs(alone[1] - shared[1])


def test_a_label_without_positives_gets_the_shared_threshold_and_none_at_all_a_half() -> None:
    rng = np.random.default_rng(2)
    scores = rng.random((50, 2))
    truth = np.column_stack([scores[:, 0] > 0.7, np.zeros(50, dtype=bool)])

    shared = tune_thresholds(scores, truth, shrinkage=1e12)
    assert tune_thresholds(scores, truth)[1] == shared[1]
    assert tune_thresholds(scores, np.zeros((50, 2), dtype=bool)).tolist() == [0.5, 0.5]


@settings(deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 4), st.integers(0, 99), st.sampled_from([0.0, 80.0, 1e12])
)
def test_thresholds_are_probabilities_whatever_the_rows(
    n: int, labels: int, seed: int, shrinkage: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((n, labels)).round(rng.integers(0, 3))  # ties, zeros and ones

    chosen = tune_thresholds(scores, rng.random((n, labels)) < 0.3, shrinkage=shrinkage)

    assert chosen.shape == (labels,)
    assert ((chosen > 0) & (chosen < 1)).all()


def test_shrunken_thresholds_serve_new_rows_better_than_each_labels_best_cut() -> None:
    gains = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth = rng.random((1200, 8)) < 0.02
        scores = 1 / (1 + np.exp(-(rng.normal(-3, 1.5, truth.shape) + 3.5 * truth)))
        seen, new = slice(0, 600), slice(600, None)

        def macro(
            cut: np.ndarray, s: np.ndarray = scores[new], t: np.ndarray = truth[new]
        ) -> float:
            given = s >= cut
            return float(np.mean(2 * (given & t).sum(0) / np.maximum(given.sum(0) + t.sum(0), 1)))

        shrunk = tune_thresholds(scores[seen], truth[seen])
        alone = tune_thresholds(scores[seen], truth[seen], shrinkage=0)
        gains.append(macro(shrunk) - macro(alone))

    assert np.mean(gains) > 0.01


def test_choosing_again_leaves_exactly_one_class_in_a_binary_task() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(100) < 0.3
    positive = np.clip(truth * 0.3 + rng.random(100) * 0.4, 0, 1)
    for positive_name, scores in (
        ("yes", np.column_stack([1 - positive, positive])),
        ("no", np.column_stack([positive, 1 - positive])),
    ):
        held = np.column_stack([~truth, truth] if positive_name == "yes" else [truth, ~truth])
        a = Answers(
            ids=tuple(map(str, range(100))),
            space=LabelSpace(names=("no", "yes"), multi_label=False, positive=positive_name),
            truth=held,
            answer=np.tile([True, False], (100, 1)),
            scores=scores,
        )

        again = rechoose(a)

        assert (again.answer.sum(axis=1) == 1).all()
        assert again.correct.mean() > 0.8


def test_choosing_again_leaves_multi_class_and_scoreless_answers_alone() -> None:
    a = Answers(
        ids=("1",),
        space=LabelSpace(names=("a", "b", "c"), multi_label=False),
        truth=np.array([[True, False, False]]),
        answer=np.array([[False, True, False]]),
        scores=np.array([[0.5, 0.3, 0.2]]),
    )

    assert rechoose(a) is a


def test_logits_and_unequal_shapes_are_refused_for_thresholds() -> None:
    with pytest.raises(ValueError, match="probabilities, not logits"):
        tune_thresholds(np.array([[3.0]]), np.array([[True]]))
    with pytest.raises(ValueError, match=r"must both be \(n, labels\)"):
        tune_thresholds(np.array([0.5]), np.array([True]))
    with pytest.raises(ValueError, match="no rows"):
        tune_thresholds(np.empty((0, 2)), np.empty((0, 2), dtype=bool))
