"""What more rows would buy: scores at several sizes of the training rows, and beyond them.

Every size was judged on the same rows, so all sizes and systems are scored under the same draws
of them. Beyond the sizes there are goes a power law, `power_law`, with what it cannot know.

Called by `pipeline.curve`, whose `curve.json` is what `LearningCurve.to_json` returns.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.answered import Answered, align
from burnish.evaluation.bootstrap import Draws, centred, interval, resample
from burnish.evaluation.gates import TUNED
from burnish.evaluation.metrics.base import Metric, Values
from burnish.evaluation.metrics.table import metrics_for
from burnish.evaluation.outlook import Ahead, Link, ahead, link_of
from burnish.evaluation.power_law import Points, PowerLaw, fit

_TIMES = (2.0, 4.0)  # the rows there are, for which it is told what they would bring
_USUAL_NOISE = 0.75  # of a gain worth having: trainings mostly stray by a point or two
_ROUGH = 1.5  # of a gain worth having
_FAN = tuple(2 ** (step / 4) for step in range(1, 9))  # where it is drawn, up to 4 times


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was answered after learning from one part of the rows."""

    size: int  # that was asked for
    rows: int  # that were learned
    seed: int
    answers: Mapping[str, Answered]  # by system, `tuned` among them, all on the same rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value with its 95 % interval, in the metric's own unit."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """What was measured at one size."""

    size: int  # that was asked for
    rows: float  # that were learned, a mean over seeds
    systems: dict[str, Estimate]  # a mean over seeds, and its interval over rows and seeds
    by_seed: tuple[float, ...]  # of the tuned model
    lead: Estimate | None  # tuned − the best cheap one; None without one


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Scores at each size, and what lies beyond."""

    metric: str
    n: int  # rows judged
    groups: int | None  # of the judged rows, drawn whole; None: rows were drawn
    seeds: tuple[int, ...]
    cheap: str | None  # the system that is best at the largest size without tuning
    sizes: tuple[Size, ...]  # rising
    fan: tuple[Ahead, ...]  # from just beyond the rows there are to 4 times as many
    beyond: tuple[Ahead, ...]  # twice and 4 times as many
    law: dict[str, Estimate]  # a, b and c of score = a − b·n^(−c), and how far trainings stray
    in_logs: bool  # the power law is of the score's logarithm
    rough: bool  # scores lie further off a smooth curve than luck mostly makes them

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without those that are no number."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def learning_curve(
    trials: Sequence[Trial], *, metric: str, **draws: Unpack[Draws]
) -> LearningCurve:
    """Return the curve of trials, of which there is one for each of 3 sizes or more and each seed.

    Args:
        trials: in any order.
        metric: that is told; must fit the task.
        **draws: resamples, seed, and groups in the order of the rows of the first trial's `tuned`.

    Raises:
        PredictionError: BN602: other rows were judged in one trial than in another, or the metric
            has no value for `tuned`.
        RecipeError: BN101, the metric does not fit the task.
    """
    chosen = metrics_for([metric], trials[0].answers[TUNED].space)[metric]
    scores = _Scores.of(trials, chosen, **draws)
    _refuse_no_value(scores, chosen, metric)
    cheap = scores.best_cheap(higher_is_better=chosen.higher_is_better)
    sizes = tuple(scores.size(at, cheap) for at in range(len(scores.sizes)))
    link = link_of(chosen, metric)
    law = _fitted(scores.points(link), link, draws.get("seed", 0))
    told, groups = _told(law, link, sizes[-1].systems[TUNED]), draws.get("groups")
    return LearningCurve(
        metric=metric,
        n=len(trials[0].answers[TUNED]),
        groups=None if groups is None else int(groups.max()) + 1,
        seeds=scores.seeds,
        cheap=cheap,
        sizes=sizes,
        fan=tuple(told[times] for times in _FAN),
        beyond=tuple(told[times] for times in _TIMES),
        law=_law(law),
        in_logs=link.in_logs,
        rough=bool(np.median(law.noise) > _ROUGH * link.worth_having),
    )


def _fitted(points: Points, link: Link, seed: int) -> PowerLaw:
    usual_noise = _USUAL_NOISE * link.worth_having
    return fit(points, usual_noise=usual_noise, bounds=link.bounds, seed=seed)


def _told(law: PowerLaw, link: Link, largest: Estimate) -> dict[float, Ahead]:
    """Return what lies ahead, by how many times the rows there are."""
    at_least = largest.value, largest.low, largest.high
    return {times: ahead(law, link, times, at_least=at_least) for times in {*_TIMES, *_FAN}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """Every system's score of every trial, on all judged rows and under each draw of them."""

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    rows: NDArray[np.float64]  # shape (sizes,)
    values: dict[str, NDArray[np.float64]]  # by system, shape (seeds, sizes)
    drawn: dict[str, NDArray[np.float64]]  # by system, shape (seeds, sizes, draws)
    mixed: NDArray[np.intp]  # shape (draws, seeds): seeds drawn with replacement

    @classmethod
    def of(cls, trials: Sequence[Trial], metric: Metric[Any], **draws: Unpack[Draws]) -> "_Scores":
        """Score all answers under the same draws."""
        sizes = tuple(sorted({trial.size for trial in trials}))
        seeds = tuple(sorted({trial.seed for trial in trials}))
        by_place = {(trial.seed, trial.size): trial for trial in trials}
        grid = [[by_place[seed, size] for size in sizes] for seed in seeds]
        first = grid[0][0].answers[TUNED]
        systems = [name for name in trials[0].answers if all(name in t.answers for t in trials)]
        answers = [
            align(first, trial.answers[name], names=(f"{TUNED} of {sizes[0]} rows", name))[1]
            for name in systems
            for line in grid
            for trial in line
        ]
        shape = len(systems), len(seeds), len(sizes)
        values = np.reshape([metric.function(one) for one in answers], shape)
        drawn = resample([metric.resample(one) for one in answers], len(first), **draws)
        rng = np.random.default_rng(draws.get("seed", 0))
        return cls(
            sizes=sizes,
            seeds=seeds,
            rows=np.array([[trial.rows for trial in line] for line in grid]).mean(axis=0),
            values=dict(zip(systems, values, strict=True)),
            drawn=dict(zip(systems, drawn.reshape(*shape, -1), strict=True)),
            mixed=rng.integers(len(seeds), size=(drawn.shape[1], len(seeds))),
        )

    def best_cheap(self, *, higher_is_better: bool) -> str | None:
        """Return the system that is best without tuning at the largest size."""
        known = {
            name: values[:, -1].mean()
            for name, values in self.values.items()
            if name != TUNED and np.isfinite(values).all()
        }
        best = max if higher_is_better else min
        return best(known, key=known.__getitem__) if known else None

    def size(self, at: int, cheap: str | None) -> Size:
        """Return what was measured at one size."""
        tuned = self.values[TUNED][:, at]
        return Size(
            size=self.sizes[at],
            rows=float(self.rows[at]),
            systems={
                name: self._score(values[:, at], self.drawn[name][:, at])
                for name, values in self.values.items()
                if np.isfinite(values).all()
            },
            by_seed=tuple(map(float, tuned)),
            lead=None
            if cheap is None
            else self._difference(
                tuned - self.values[cheap][:, at],
                self.drawn[TUNED][:, at] - self.drawn[cheap][:, at],
            ),
        )

    def _score(self, values: Values, drawn: NDArray[np.float64]) -> Estimate:
        """Return the mean over seeds, and its interval over draws of rows and of seeds."""
        value = float(values.mean())
        return _estimate(value, centred(self._averaged(drawn), value))

    def _difference(self, values: Values, drawn: NDArray[np.float64]) -> Estimate:
        """Return what `_score` does, for the difference of two systems on the same rows."""
        return _estimate(float(values.mean()), self._averaged(drawn))

    def _averaged(self, drawn: NDArray[np.float64]) -> Values:
        averaged: Values = np.take_along_axis(drawn.T, self.mixed, axis=1).mean(axis=1)
        return averaged

    def points(self, link: Link) -> Points:
        """Return the scores of the tuned model for a fit; draws without a value are left out."""
        drawn = self.drawn[TUNED]
        known = np.isfinite(drawn).all(axis=(0, 1))
        return Points(
            rows=self.rows,
            values=link.forth(self.values[TUNED]),
            drawn=link.forth(drawn[..., known]),
        )


def _estimate(value: float, drawn: Values) -> Estimate:
    low, high = interval(drawn, around=value)
    return Estimate(value=value, low=low, high=high)


def _refuse_no_value(scores: _Scores, metric: Metric[Any], name: str) -> None:
    if np.isfinite(scores.values[TUNED]).all():
        return
    raise PredictionError(
        f"{name} of {TUNED} is not defined on the judged rows: it needs {metric.needs.full}",
        where=f"predictions of {TUNED}",
        fix="judge by another metric: `evaluation.gates: [{metric: accuracy}]`, or give more rows",
    )


def _law(law: PowerLaw) -> dict[str, Estimate]:
    """Return what the curves agree on: the middle of each constant, and where 95 % of them are."""
    limit = np.clip(law.limit, *law.bounds)  # slow curves would pass it, far beyond any data
    constants = {"a": limit, "b": law.factor, "c": law.exponent, "noise": law.noise}
    return {
        name: Estimate(value=float(np.median(values)), low=low, high=high)
        for name, values in constants.items()
        for low, high in [interval(values)]
    }


def _plain(value: Any) -> Any:
    """Return None in place of every nan, tuples as lists."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
