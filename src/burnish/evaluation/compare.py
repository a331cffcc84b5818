"""Compare two systems on the same rows: how much better, and whether by chance.

Two views. The paired bootstrap speaks of any metric: both systems are scored under the same
resampled rows; where rows are of groups, under the same resampled groups. McNemar's exact
test speaks of rows, also where they are of groups: of those that exactly one system got
right, are the two kinds as frequent as a fair coin would make them? A written answer is right
where it is a reference to the letter, so for texts it says little unless answers are short.

Called by the verdict and by `burnish compare`.
Sources: Berg-Kirkpatrick et al. 2012 (paired bootstrap in NLP); McNemar 1947, exact form.
"""

from dataclasses import asdict, dataclass
from typing import Any, Unpack

import numpy as np
from scipy.stats import binomtest

from burnish.errors import PredictionError
from burnish.evaluation.answered import A, Answered, align
from burnish.evaluation.bootstrap import Draws, interval, resample
from burnish.evaluation.groups import units, units_with
from burnish.evaluation.metrics.base import Metric, Values
from burnish.evaluation.metrics.table import metrics_for
from burnish.records import without_nan

FEWEST_DIFFERING = 6  # least rows for which an exact two-sided sign test can reach 5 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """System `a` against system `b` on the same n rows; differences are a − b, as fractions."""

    a: str
    b: str
    metric: str
    difference: float
    low: float  # 2.5 % point of the paired bootstrap; nan where it has none
    high: float  # 97.5 % point
    p: float  # two-sided p of "no difference in the metric", bootstrap or `least_p`, in (0, 1]
    mcnemar_p: float  # two-sided exact p of "both get equally many rows right", in (0, 1]
    n: int  # rows compared
    differing: int  # rows, or groups, that can tell them apart; all, for a metric of scores
    groups: int | None = None  # that the rows are of; None: rows are drawn one by one
    words: str  # the same as a sentence

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `verdict.json`."""
        told = without_nan(asdict(self))
        if self.groups is None:
            del told["groups"]
        return told

    @property
    def units(self) -> int:
        """How many rows, or groups where there are any, speak for themselves."""
        return self.n if self.groups is None else self.groups

    @property
    def rows(self) -> str:
        """The rows compared in words, as in "240 rows in 20 groups"."""
        return rows_told(self.n, self.groups)


def compare(
    a: A,
    b: A,
    *,
    metric: str,
    names: tuple[str, str],
    **draws: Unpack[Draws],
) -> Comparison:
    """Return how `a` stands against `b`, both on the same rows in any order.

    The names are those of the two systems, for the result and its words. For `draws`, see
    `bootstrap.Draws`; groups are those of the rows of `a`.

    Raises:
        PredictionError: BN602: other rows, labels or references, or the metric needs
            probabilities that a system does not give.
        RecipeError: BN101, the metric does not fit the task.
    """
    a, b = align(a, b, names=names)
    chosen = metrics_for([metric], a.space)[metric]
    difference = _value(chosen, metric, a, names[0]) - _value(chosen, metric, b, names[1])
    drawn_a, drawn_b = resample([chosen.resample(a), chosen.resample(b)], len(a), **draws)
    low, high = interval(drawn_a - drawn_b, around=difference)
    groups = draws.get("groups")
    # Scores may tell systems apart on rows that both answer alike.
    by_scores = chosen.needs_scores and difference != 0
    apart = np.ones(len(a), dtype=np.bool_) if by_scores else a.differing(b)
    differing = units_with(apart, groups)
    of_groups = None if groups is None else units(len(a), groups)
    return Comparison(
        a=names[0],
        b=names[1],
        metric=metric,
        difference=difference,
        low=low,
        high=high,
        p=max(bootstrap_p(drawn_a - drawn_b), least_p(differing)),
        mcnemar_p=mcnemar_p(a, b),
        n=len(a),
        differing=differing,
        groups=of_groups,
        words=_words(
            names,
            chosen,
            difference,
            (low, high),
            rows=rows_told(len(a), of_groups),
            end=_end(names[0], chosen, (low, high), differing, of_groups),
        ),
    )


def bootstrap_p(differences: Values) -> float:
    """Return the two-sided p of "no difference" from resampled differences, shape (resamples,).

    Twice the share of resamples on the other side of 0, ties counted against; never 0, because
    no number of resamples proves the impossible.
    """
    drawn = differences[np.isfinite(differences)]
    tails = ((drawn <= 0).sum(), (drawn >= 0).sum())
    return min(1.0, 2 * (1 + int(min(tails))) / (1 + len(drawn)))


def least_p(differing: int) -> float:
    """Return the least p that so many differing rows, or groups, can give, in (0, 1].

    That of an exact two-sided sign test where all speak for one system. Resamples of few rows
    are too much alike to see that five of five happen by chance.
    """
    return min(1.0, 2 * 0.5**differing)


def mcnemar_p(a: Answered, b: Answered) -> float:
    """Return the two-sided exact p that both systems get equally many rows right.

    The rows of `a` and `b` must be aligned. 1.0 when no row tells them apart.
    """
    only_a = int((a.correct & ~b.correct).sum())
    only_b = int((b.correct & ~a.correct).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def rows_told(n: int, groups: int | None) -> str:
    """Return how many rows, and of how many groups where they are of any, in words."""
    return f"{n:,} rows" if groups is None else f"{n:,} rows in {groups:,} groups"


def _value(metric: Metric[A], name: str, answers: A, system: str) -> float:
    value = metric.function(answers)
    if np.isnan(value):
        raise PredictionError(
            f"{name} of {system} is not defined on these {len(answers)} row(s): it needs "
            f"{metric.needs.full}",
            where=f"predictions of {system}",
            fix="write `scores` in the prediction file, or compare by another metric",
        )
    return value


def _words(
    names: tuple[str, str],
    metric: Metric[A],
    difference: float,
    ends: tuple[float, float],
    *,
    rows: str,
    end: str,
) -> str:
    (low, high), unit = ends, metric.unit
    side = "above" if difference >= 0 else "below"
    span = "no interval"
    if not np.isnan(low):
        span = f"95 % interval {unit.write(low)} to {unit.write(high)}"
    return (
        f"{names[0]} is {unit.told(abs(difference))} {side} {names[1]} in {metric.words} "
        f"({span}, {rows}): {end}."
    )


def _end(
    name: str,
    metric: Metric[A],
    ends: tuple[float, float],
    differing: int,
    groups: int | None,
) -> str:
    """Return which is better, as far as the rows can tell."""
    low, high = ends if metric.higher_is_better else (-ends[1], -ends[0])
    if not (low > 0 or high < 0):
        return "these rows cannot tell which is better"
    if differing < FEWEST_DIFFERING:
        noun = "row(s)" if groups is None else "group(s)"
        return f"only {differing} {noun} tell them apart, too few to say which is better"
    return f"{name} is {'better' if low > 0 else 'worse'}, beyond chance"
