"""Scores by size, what lies beyond them, and the words for both."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.answered import Answered
from burnish.evaluation.answers import Answers
from burnish.evaluation.curve_words import curve_remarks, curve_words
from burnish.evaluation.learning_curve import LearningCurve, Trial, learning_curve
from burnish.evaluation.likelihoods import Likelihoods
from burnish.evaluation.score import score_answers
from burnish.records import LabelSpace

SPACE = LabelSpace(names=("one", "other"), multi_label=True)
ROWS, MOST = 500, 4000
Curve = Callable[[float], float]


def answers(right: NDArray[np.bool_]) -> Answers:
    truth = np.random.default_rng(1).random((len(right), 2)) < 0.5
    return Answers(
        ids=tuple(map(str, range(len(right)))), space=SPACE, truth=truth,
        answer=truth ^ ~right[:, None], scores=np.full((len(right), 2), np.nan),
    )  # fmt: skip


def trials(
    tuned: Curve, cheap: Curve | None = None, *, seeds: int = 1, sizes: int = 4, luck: float = 0.01
) -> list[Trial]:
    """Return answers of which so many are right; what is hard for one size is for all."""
    rng = np.random.default_rng(3)
    hard = rng.random(ROWS)
    found = []
    for step in range(sizes):
        size = MOST // 2 ** (sizes - 1 - step)
        for seed in range(seeds):
            own = {"tuned": tuned(size) + luck * rng.normal()}
            own |= {"word-counts": cheap(size), "majority": 0.1} if cheap else {}
            said: dict[str, Answered] = {name: answers(hard < level) for name, level in own.items()}
            found.append(Trial(size=size, rows=size, seed=seed, answers=said))
    return found


def curve(found: list[Trial], **options: Any) -> LearningCurve:
    return learning_curve(found, **{"metric": "accuracy", "resamples": 400} | options)


def rising(rows: float) -> float:
    return float(0.9 - 6 * rows**-0.4)


def test_a_size_is_scored_as_the_score_of_a_run_is() -> None:
    found = trials(rising)

    for size, trial in zip(curve(found).sizes, found, strict=True):
        [score] = score_answers(
            "tuned", "test", trial.answers["tuned"], metrics=["accuracy"], resamples=400
        )
        one = size.systems["tuned"]
        assert (one.value, one.low, one.high) == (score.value, score.low, score.high)


@pytest.mark.parametrize("tuned", [rising, lambda _: 0.7, lambda _: 0.999, lambda n: n / 9000])
def test_nothing_ahead_is_told_as_better_known_than_what_was_measured(tuned: Curve) -> None:
    found = curve(trials(tuned, luck=0.0))

    widths = [one.high - one.low for one in found.fan]
    last = found.sizes[-1].systems["tuned"]
    assert min(widths) >= last.high - last.low - 1e-12
    assert all(0 <= one.low <= one.value <= one.high <= 1 for one in found.fan)
    assert [one.times for one in found.beyond] == [2, 4]


def test_a_rising_curve_says_that_more_rows_help_and_how_much() -> None:
    found = curve(trials(rising))
    twice = found.beyond[0]

    assert twice.state == "rises"
    assert twice.low <= rising(2 * MOST) <= twice.high
    assert twice.gain_low <= rising(2 * MOST) - rising(MOST) <= twice.gain_high
    words = curve_words(found)
    assert words[0].startswith("Twice as many rows (n = 8,000) would probably bring accuracy from")
    assert "is above 0 beyond doubt" in words[0]
    assert words[1].startswith("Four times as many (n = 16,000)")


def test_a_flat_curve_says_that_rows_are_not_what_is_missing() -> None:
    found = curve(trials(lambda _: 0.7, luck=0.003, seeds=3))

    assert found.beyond[0].state == "flat"
    assert "More rows of the same kind are not what is missing." in curve_words(found)


def test_a_falling_curve_says_so() -> None:
    found = curve(trials(lambda n: 0.6 + 6 * n**-0.4, luck=0.003, seeds=3))

    assert found.beyond[0].state == "falls"
    assert "is below 0" in curve_words(found)[0]
    assert "More rows of the same kind are not what is missing." in curve_words(found)


def test_where_chance_hides_the_gain_the_words_do_not_promise_one() -> None:
    sways = {500: 0.66, 1000: 0.75, 2000: 0.67, 4000: 0.72}
    found = curve(trials(lambda n: sways[int(n)], luck=0.0))

    assert found.beyond[0].state == "open"
    assert "is not sure to be above 0" in curve_words(found)[0]
    assert "do not lie on one smooth curve" in " ".join(curve_remarks(found))
    assert "smooth curve, so" not in " ".join(curve_remarks(curve(trials(rising))))


def test_the_best_cheap_system_is_named_and_where_it_is_overtaken() -> None:
    found = curve(trials(lambda n: {500: 0.5, 1000: 0.6, 2000: 0.7, 4000: 0.75}[int(n)],
                         lambda _: 0.61, luck=0.0))  # fmt: skip

    assert found.cheap == "word-counts"
    leads = [size.lead.value for size in found.sizes if size.lead]
    assert leads == pytest.approx([-0.11, -0.01, 0.09, 0.14], abs=0.03)
    assert curve_words(found)[-1].startswith("From 2,000 rows on tuned beats word-counts")


def test_a_cheap_system_that_stays_ahead_is_told_too() -> None:
    words = curve_words(curve(trials(lambda _: 0.5, lambda _: 0.8)))

    assert "behind word-counts, the best system without tuning" in words[-1]
    assert words[-1].endswith("beyond doubt.")


def test_seeds_are_averaged_and_their_spread_is_in_the_interval() -> None:
    once, often = (curve(trials(rising, seeds=seeds, luck=0.05)) for seeds in (1, 4))
    quiet = curve(trials(rising, seeds=4, luck=0.0))

    last = often.sizes[-1]
    assert last.systems["tuned"].value == pytest.approx(np.mean(last.by_seed))
    assert _width(often) > _width(quiet)
    assert "`--seeds 3` would measure it" in " ".join(curve_remarks(once))
    assert "--seeds" not in " ".join(curve_remarks(often))


def _width(found: LearningCurve) -> float:
    last = found.sizes[-1].systems["tuned"]
    return last.high - last.low


def test_few_groups_of_judged_rows_widen_all_intervals_and_are_told() -> None:
    groups = np.arange(ROWS) % 10
    found = curve(trials(rising), groups=groups)

    assert found.groups == 10
    assert "of 10 groups only" in " ".join(curve_remarks(found))


def test_of_a_perplexity_less_is_better_and_its_logarithm_follows_the_law() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(scale=0.3, size=ROWS)
    found = []
    for size in (500, 1000, 2000, 4000):
        loss = np.maximum(0.01, 1.5 + 20 * size**-0.5 + hard)
        likely = Likelihoods(
            ids=tuple(map(str, range(ROWS))),
            log_likelihood=-20 * loss,
            tokens=np.full(ROWS, 20.0),
            tops=np.full((ROWS, 2), np.nan),
        )
        found.append(Trial(size=size, rows=size, seed=0, answers={"tuned": likely}))

    told = curve(found, metric="perplexity")
    twice = told.beyond[0]

    truth = np.exp(1.5 + 20 * 8000**-0.5)
    assert told.in_logs
    assert (twice.low <= truth <= twice.high, twice.state) == (True, "rises")
    assert twice.value < told.sizes[-1].systems["tuned"].value
    assert told.law["b"].high < 0  # a loss comes down to its limit
    assert curve_words(told)[0].startswith("Twice as many rows (n = 8,000) would probably bring")


def test_what_is_written_is_plain_json() -> None:
    told = curve(trials(rising, rising)).to_json()

    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_the_same_answers_give_the_same_curve() -> None:
    assert curve(trials(rising, rising)) == curve(trials(rising, rising))


def test_a_metric_without_a_value_is_refused_with_what_it_needs() -> None:
    with pytest.raises(PredictionError, match="roc_auc of tuned is not defined"):
        curve(trials(rising), metric="roc_auc")


def test_sizes_that_were_judged_on_other_rows_are_refused() -> None:
    found = trials(rising)
    short = {"tuned": answers(np.ones(ROWS - 1, dtype=bool))}
    found[2] = Trial(size=found[2].size, rows=found[2].rows, seed=0, answers=short)

    with pytest.raises(PredictionError, match="the rows differ"):
        curve(found)
