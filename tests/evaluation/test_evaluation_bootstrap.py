import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.evaluation.answers import Answers
from burnish.evaluation.bootstrap import centred, draw, interval, resample
from burnish.evaluation.metrics.table import metric_names
from burnish.evaluation.score import score, score_answers
from burnish.records import LabelSpace, Prediction

TAGS = LabelSpace(names=tuple("abcdefghi"), multi_label=True)


def noisy(n: int, seed: int = 0) -> Answers:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 9)) < 0.03
    scores = np.clip(truth * 0.4 + rng.random((n, 9)) * 0.5, 0, 1)
    return Answers(
        ids=tuple(map(str, range(n))), space=TAGS, truth=truth, answer=scores > 0.5, scores=scores
    )


@settings(deadline=None)
@given(st.integers(1, 50), st.integers(1, 20), st.integers(0, 99))
def test_every_resample_draws_as_many_rows_as_there_are(n: int, resamples: int, seed: int) -> None:
    weights = np.vstack(list(draw(n, resamples=resamples, seed=seed)))

    assert weights.shape == (resamples, n)
    assert (weights.sum(axis=1) == n).all()


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    first, again, other = (next(draw(30, resamples=9, seed=s)) for s in (4, 4, 5))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_blocks_bound_the_memory_and_lose_no_resample() -> None:
    blocks = [len(block) for block in draw(1_500_000, resamples=3, seed=0)]

    assert blocks == [2, 1]


def test_the_interval_of_a_share_is_that_of_the_binomial() -> None:
    # Accuracy of 400 rows, 80 % right: standard error 0.02.
    right = np.arange(400) < 320
    space = LabelSpace(names=("n", "y"), multi_label=False, positive="y")
    truth = np.tile([False, True], (400, 1))
    a = Answers(
        ids=tuple(map(str, range(400))),
        space=space,
        truth=truth,
        answer=np.column_stack([~right, right]),
        scores=np.full((400, 2), np.nan),
    )

    [accuracy] = score_answers("s", "test", a, metrics=["accuracy"], resamples=4000)

    assert accuracy.value == 0.8
    assert accuracy.low == pytest.approx(0.8 - 1.96 * 0.02, abs=0.004)
    assert accuracy.high == pytest.approx(0.8 + 1.96 * 0.02, abs=0.004)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(200):
        right = np.random.default_rng(seed).random(150) < 0.7
        [drawn] = resample([lambda w, r=right: w @ r / 150], 150, resamples=300, seed=seed)
        low, high = interval(drawn)
        held += low <= 0.7 <= high

    assert 180 <= held <= 199


def test_an_interval_holds_its_value_even_where_resampling_is_skewed() -> None:
    # Resampled calibration error is never below that of the whole data when that is 0.
    a = noisy(200)
    perfect = Answers(
        ids=a.ids, space=TAGS, truth=a.truth, answer=a.truth, scores=a.truth.astype(float) * 0.5
    )

    for s in score_answers("s", "v", perfect, metrics=["ece", "macro_f1", "roc_auc"]):
        assert s.low <= s.value <= s.high


def rare_classes(seed: int, rows: int = 200) -> Answers:
    """Return answers over 20 classes of Zipf's law, seven in ten right."""
    rng = np.random.default_rng(seed)
    frequency = 1 / np.arange(1, 21)
    classes = rng.choice(20, (2, rows), p=frequency / frequency.sum())
    given = np.where(rng.random(rows) < 0.7, classes[0], classes[1])
    truth, answer = np.eye(20, dtype=np.bool_)[classes[0]], np.eye(20, dtype=np.bool_)[given]
    return Answers(
        ids=tuple(map(str, range(rows))),
        space=LabelSpace(names=tuple(f"class {j}" for j in range(20)), multi_label=False),
        truth=truth,
        answer=answer,
        scores=np.full((rows, 20), np.nan),
    )


def test_a_class_that_a_resample_lacks_does_not_move_the_interval_of_macro_f1() -> None:
    scores = [
        score_answers("s", "v", rare_classes(seed), metrics=["macro_f1"], resamples=300)[0]
        for seed in range(150)
    ]
    expected = np.mean([one.value for one in scores])
    below = sum(one.high < expected for one in scores)
    above = sum(one.low > expected for one in scores)

    assert below + above <= 18  # 7.5 expected at 95 %; 13 % lay below before
    assert below <= 14


def test_moved_values_have_the_mean_asked_for_and_stay_within_what_was_drawn() -> None:
    drawn = np.array([0.2, 0.4, 0.6, 0.8, np.nan])

    assert np.nanmean(centred(drawn, 0.55)) == pytest.approx(0.5375)  # 0.85 is cut to 0.8
    assert np.nanmax(centred(drawn, 0.55)) == 0.8
    assert np.nanmin(centred(drawn, 0.1)) == 0.1
    assert np.isnan(centred(drawn, 0.5)[-1])
    assert np.array_equal(centred(drawn, float("nan")), drawn, equal_nan=True)


def test_a_metric_without_value_is_left_out_rather_than_told_as_a_number() -> None:
    rows = [Prediction(example_id="1", answer=("a",), reference=("a",))]

    told = {s.metric for s in score("s", "v", rows, TAGS, resamples=100)}

    assert "roc_auc" not in told
    assert {"accuracy", "macro_f1", "lexglue_macro_f1"} <= told


def test_scores_are_the_same_every_time() -> None:
    a = noisy(100)

    assert score_answers("s", "v", a, seed=3) == score_answers("s", "v", a, seed=3)


def test_two_thousand_resamples_of_ten_metrics_take_seconds() -> None:
    a = noisy(2300)
    start = time.process_time()

    score_answers("s", "v", a, metrics=metric_names(a.space))

    assert time.process_time() - start < 15


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.integers(0, 99))
def test_rows_of_one_group_are_drawn_together(numbers: list[int], seed: int) -> None:
    groups = np.unique(numbers, return_inverse=True)[1]

    weights = np.vstack(list(draw(len(groups), resamples=5, seed=seed, groups=groups)))

    assert weights.shape == (5, len(groups))
    for group in range(groups.max() + 1):
        assert (np.ptp(weights[:, groups == group], axis=1) == 0).all()
    firsts = np.unique(groups, return_index=True)[1]
    assert (weights[:, firsts].sum(axis=1) == groups.max() + 1).all()


def test_alike_rows_of_a_group_widen_the_interval() -> None:
    groups = np.repeat(np.arange(40), 10)
    right = (groups % 4 != 0).astype(float)  # a document is right or wrong as a whole

    [alone] = resample([lambda w: w @ right / w.sum(axis=1)], 400)
    [together] = resample([lambda w: w @ right / w.sum(axis=1)], 400, groups=groups)

    # Forty draws in place of four hundred: the standard error is that of n / 10.
    assert together.std() / alone.std() == pytest.approx(10**0.5, rel=0.1)
