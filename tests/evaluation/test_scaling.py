import numpy as np
import pytest
from scipy.special import expit, softmax

from burnish.evaluation.scaling import fit_sigmoid, fit_softmax


def drawn(seed: int, n: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Return log odds, shape (n, 2), and what came true with those odds."""
    random = np.random.default_rng(seed)
    logits = random.normal(-1, 2, size=(n, 2))
    return logits, random.random(logits.shape) < expit(logits)


def test_a_slope_and_a_shift_that_were_put_in_are_found() -> None:
    logits, truth = drawn(0)

    found = fit_sigmoid((logits - 0.7) / 0.4, truth)

    assert found is not None
    assert found.slope == pytest.approx(0.4, rel=0.03)
    assert found.shift == pytest.approx(0.7, abs=0.03)


def test_calibrated_probabilities_are_left_as_they_are() -> None:
    found = fit_sigmoid(*drawn(1))

    assert found is not None
    assert found.slope == pytest.approx(1, abs=0.03)
    assert found.shift == pytest.approx(0, abs=0.03)


def test_the_temperature_of_several_classes_is_found() -> None:
    random = np.random.default_rng(2)
    logits = random.normal(0, 2, size=(20_000, 4))
    drawn_classes = (softmax(logits, axis=1).cumsum(axis=1) > random.random((20_000, 1))).argmax(1)

    found = fit_softmax(logits * 3, np.eye(4, dtype=bool)[drawn_classes])

    assert found is not None
    assert found.slope == pytest.approx(1 / 3, rel=0.03)
    assert found.shift == 0


def test_labels_that_do_not_depend_on_the_text_keep_their_order_and_lose_their_confidence() -> None:
    random = np.random.default_rng(3)

    found = fit_sigmoid(random.normal(0, 5, size=(4000, 1)), random.random((4000, 1)) < 0.5)

    assert found is not None
    assert 0 < found.slope < 0.1


@pytest.mark.parametrize(("rows", "positives"), [(49, 20), (400, 4), (400, 397)])
def test_too_few_rows_to_tell_fit_nothing(rows: int, positives: int) -> None:
    truth = np.arange(rows)[:, None] < positives

    assert fit_sigmoid(np.where(truth, 1.0, -1.0), truth) is None
    assert fit_softmax(np.ones((49, 3)), np.eye(3, dtype=bool)[np.zeros(49, int)]) is None


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="must both be"):
        fit_sigmoid(np.zeros((60, 2)), np.zeros((60, 3), bool))
