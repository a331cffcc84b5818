import numpy as np
import pytest

from burnish.evaluation.selective import (
    NEVER_SURE,
    confidences,
    coverages,
    covered,
    least_confidence,
)


def test_the_confidence_is_that_of_the_label_given_or_of_all_decisions_together() -> None:
    scores = np.array([[0.9, 0.2], [0.3, 0.6]])
    given = np.array([[True, False], [False, True]])

    assert confidences(scores, given, multi_label=False).tolist() == [0.9, 0.6]
    assert confidences(scores, given, multi_label=True) == pytest.approx([0.9 * 0.8, 0.7 * 0.6])


def made(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return confidences, and answers that are right as often as they say."""
    confidence = random.uniform(0.5, 1, n)
    return confidence, random.random(n) < confidence


def test_the_promise_holds_on_new_rows_as_surely_as_asked() -> None:
    random = np.random.default_rng(0)
    new, new_right = made(random, 100_000)
    kept, shares = 0, []
    for _ in range(200):
        floor = least_confidence(*made(random, 2000), max_risk=0.1, sure=0.9)
        answered = new >= floor
        kept += float((~new_right[answered]).mean()) <= 0.1 if answered.any() else True
        shares.append(answered.mean())

    assert kept >= 180
    assert np.mean(shares) > 0.15  # at best 0.4 of such rows: all from 0.8 on


def test_rows_of_one_confidence_are_answered_together() -> None:
    confidence = np.repeat([0.9, 0.6], 200)
    right = np.concatenate([np.ones(200, bool), np.zeros(200, bool)])

    assert least_confidence(confidence, right, max_risk=0.05, sure=0.95) == 0.9


def test_where_nothing_keeps_the_promise_no_answer_is_sure() -> None:
    assert (
        least_confidence(np.array([0.9, 0.8]), np.array([True, True]), max_risk=0.05, sure=0.95)
        == NEVER_SURE
    )


def test_the_surest_rows_come_first_and_the_interval_holds_the_share() -> None:
    confidence = np.linspace(0, 1, 100)

    half, every = coverages(confidence, confidence > 0.2, (0.5, 1.0))

    assert (half.n, half.right, half.high) == (50, 1.0, 1.0)
    assert every.n == 100
    assert every.low < every.right == 0.8 < every.high


def test_the_interval_is_that_of_clopper_and_pearson() -> None:
    found = covered(8, 10, 20)

    assert found.share == 0.5
    assert (found.low, found.high) == pytest.approx(
        (0.4439, 0.9748), abs=1e-4
    )  # R: binom.test(8, 10)
