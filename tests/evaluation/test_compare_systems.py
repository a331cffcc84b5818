import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.errors import PredictionError
from burnish.evaluation.answers import Answers
from burnish.evaluation.compare import bootstrap_p, compare, mcnemar_p
from burnish.evaluation.metrics.units import points
from burnish.records import LabelSpace

BINARY = LabelSpace(names=("no", "yes"), multi_label=False, positive="yes")


def graded(right: list[bool] | np.ndarray) -> Answers:
    """Answers to rows that are all `yes`, right where told."""
    right = np.asarray(right, dtype=bool)
    n = len(right)
    return Answers(
        ids=tuple(map(str, range(n))),
        space=BINARY,
        truth=np.tile([False, True], (n, 1)),
        answer=np.column_stack([~right, right]),
        scores=np.full((n, 2), np.nan),
    )


def test_mcnemar_of_a_table_worked_by_hand() -> None:
    # 10 rows told apart, 9 for a: 2 · (C(10,9) + C(10,10)) / 2^10 = 22 / 1024.
    a = graded([True] * 9 + [False] + [True] * 5)
    b = graded([False] * 9 + [True] + [True] * 5)

    assert mcnemar_p(a, b) == pytest.approx(22 / 1024)
    assert mcnemar_p(b, a) == pytest.approx(22 / 1024)
    assert mcnemar_p(a, a) == 1.0


def test_a_clear_winner_is_told_with_its_interval_and_in_words() -> None:
    rng = np.random.default_rng(0)
    a, b = graded(rng.random(500) < 0.9), graded(rng.random(500) < 0.7)

    result = compare(a, b, metric="accuracy", names=("tuned", "tfidf-svm"))

    assert result.difference == pytest.approx(a.correct.mean() - b.correct.mean())
    assert 0.1 < result.low < result.difference < result.high < 0.3
    assert result.p < 0.01
    assert result.mcnemar_p < 0.01
    assert "tuned is" in result.words
    assert "points above tfidf-svm in accuracy" in result.words
    assert "500 rows): tuned is better, beyond chance." in result.words


def test_turning_the_systems_round_turns_the_result_round() -> None:
    rng = np.random.default_rng(1)
    a, b = graded(rng.random(200) < 0.8), graded(rng.random(200) < 0.7)

    one = compare(a, b, metric="f1", names=("a", "b"))
    other = compare(b, a, metric="f1", names=("b", "a"))

    assert other.difference == pytest.approx(-one.difference)
    assert (other.low, other.high) == pytest.approx((-one.high, -one.low))
    assert other.p == pytest.approx(one.p)


def test_the_pairing_makes_the_interval_narrow_where_systems_err_alike() -> None:
    rng = np.random.default_rng(2)
    b = rng.random(400) < 0.7
    a = b | (rng.random(400) < 0.1)

    paired = compare(graded(a), graded(b), metric="accuracy", names=("a", "b"))
    strangers = compare(graded(rng.permutation(a)), graded(b), metric="accuracy", names=("a", "b"))

    assert paired.high - paired.low < 0.6 * (strangers.high - strangers.low)


def test_a_system_does_not_differ_from_itself() -> None:
    a = graded([True, False, True, True])

    same = compare(a, a, metric="f1", names=("a", "again"))

    assert (same.difference, same.low, same.high, same.p, same.mcnemar_p) == (0, 0, 0, 1, 1)
    assert "cannot tell which is better" in same.words


@pytest.mark.parametrize(("n", "apart"), [(1, 1), (5, 5), (200, 5), (200, 4)])
def test_fewer_than_six_rows_told_apart_are_not_beyond_chance(n: int, apart: int) -> None:
    a, b = graded(np.ones(n, dtype=bool)), graded(np.arange(n) >= apart)

    better = compare(a, b, metric="accuracy", names=("a", "b"))
    worse = compare(b, a, metric="accuracy", names=("b", "a"))

    assert better.low > 0
    assert better.p == worse.p == max(2 * 0.5**apart, better.p)
    for told in (better, worse):
        assert "beyond chance" not in told.words
        assert f"only {apart} row(s) tell them apart, too few to say which" in told.words


def test_six_rows_told_apart_are_enough_if_all_speak_for_one() -> None:
    a, b = graded(np.ones(200, dtype=bool)), graded(np.arange(200) >= 6)

    told = compare(a, b, metric="accuracy", names=("a", "b"))

    assert told.words.endswith("a is better, beyond chance.")
    assert told.p == pytest.approx(2 / 64)
    assert told.p == pytest.approx(told.mcnemar_p)


def test_rows_of_five_groups_are_not_beyond_chance_however_many() -> None:
    a, b = graded(np.ones(200, dtype=bool)), graded(np.zeros(200, dtype=bool))

    told = compare(a, b, metric="accuracy", names=("a", "b"), groups=np.arange(200) // 40)

    assert "only 5 group(s) tell them apart" in told.words
    assert told.p == 2 / 32


def test_where_less_is_better_the_words_say_so() -> None:
    truth = np.tile([False, True], (300, 1))
    sure = np.tile([0.02, 0.98], (300, 1))
    unsure = np.tile([0.4, 0.6], (300, 1))
    good, bad = (
        Answers(ids=tuple(map(str, range(300))), space=BINARY, truth=truth, answer=truth, scores=s)
        for s in (sure, unsure)
    )

    result = compare(good, bad, metric="ece", names=("good", "bad"))

    assert result.difference < 0
    assert "points below bad in calibration error" in result.words
    assert result.words.endswith("good is better, beyond chance.")


def test_a_metric_that_needs_probabilities_is_refused_for_answers_without() -> None:
    a = graded([True, False])

    with pytest.raises(PredictionError, match="roc_auc of tuned is not defined"):
        compare(a, a, metric="roc_auc", names=("tuned", "b"))


def test_a_difference_that_rounds_to_nought_has_no_sign() -> None:
    assert [points(d) for d in (0.043, -0.01, -0.0003, 0.0)] == ["4.3", "−1.0", "0.0", "0.0"]


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_p_is_a_probability_and_never_nought(differences: list[float]) -> None:
    p = bootstrap_p(np.array(differences))

    assert 0 < p <= 1
    assert p == pytest.approx(bootstrap_p(-np.array(differences)))


def test_p_of_equal_systems_is_small_no_oftener_than_it_should() -> None:
    small = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        a, b = (graded(rng.random(120) < 0.6) for _ in range(2))
        result = compare(a, b, metric="accuracy", names=("a", "b"), resamples=400, seed=seed)
        small += result.p < 0.05

    assert small <= 12
