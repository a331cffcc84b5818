"""Judge one gate: is the tuned model better than a rival by more than the margin?

Three answers, from the paired 95 % interval of the gain (tuned − rival, the other way round
where lower is better):

- **passed**: the lower end is above the margin, and the two systems differ on at least
  6 rows, or in 6 groups where rows are of groups (for metrics of scores, which may differ on
  rows answered alike, there are 6). Fewer cannot show anything: 5 of 5 happens by chance 1
  time in 16.
- **failed**: the upper end is below the margin; or the gain seen is not above the margin and
  the upper end is at most 2 points above it (for metrics told otherwise, see `metrics.units`).
  In the second case a gain may exist, but none that is worth a larger model, so no more data
  is asked for. Neither counts where the rows could not have shown a gain: systems that differ
  on fewer than 6 of few rows, or rows on which no answer scores (F1 without any positive).
- **open**: all else. The rows cannot tell, and the words say how many more would.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil, floor
from typing import Any, Literal

import numpy as np

from burnish.evaluation.answered import A, Answered
from burnish.evaluation.answers import Answers
from burnish.evaluation.compare import FEWEST_DIFFERING, Comparison
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.table import METRICS
from burnish.recipe.evaluation import Gate

BEST_BASELINE = "best-baseline"
TUNED, BASE, CONTROL, LAST = "tuned", "base", "control", "last"
_POWER = 1.43  # (1.96 + 0.84) / 1.96: sure to see a true gain four times in five
_HOPELESS = 100  # times as many rows as there are

Comparisons = Mapping[tuple[str, str], Comparison]  # by (metric, rival)
State = Literal["passed", "failed", "open"]
WORST_FIRST: tuple[State, ...] = ("failed", "open", "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What became of one gate against one rival."""

    state: State
    reason: str  # one or two sentences for a manager
    slack: float  # lower end of the gain − margin; the smallest decides; nan when not compared


def rivals_of(gate: Gate, systems: Mapping[str, Answered]) -> list[str]:
    """Return the systems that the tuned model must beat.

    `best-baseline` means each baseline in turn: naming the best by its own score on these rows
    would favour a lucky one, and beating all includes beating the best. The model itself at
    another time, `base` or `last`, is no baseline.
    """
    if gate.over == BEST_BASELINE:
        return [name for name in systems if name not in (TUNED, BASE, LAST)]
    return [gate.over]


def judge(gate: Gate, metric: str, systems: Mapping[str, A], comparisons: Comparisons) -> Ruling:
    """Return the ruling that decides: over all rivals the worst, of equals that of least slack.

    All systems' answers must have the rows in the same order; `comparisons` holds `tuned`
    against each rival where the metric, the gate's own or the task's, exists.
    """
    rivals = rivals_of(gate, systems)
    if not rivals:
        return _not_judged(
            "no baseline was scored, so there is nothing to beat; list some in "
            "`evaluation.baselines`"
        )
    rulings = [_judge_one(gate.margin, metric, rival, systems, comparisons) for rival in rivals]
    return min(rulings, key=lambda ruling: (WORST_FIRST.index(ruling.state), ruling.slack))


def _judge_one(
    margin: float,
    metric: str,
    rival: str,
    systems: Mapping[str, A],
    comparisons: Comparisons,
) -> Ruling:
    if rival not in systems:
        known = ", ".join(name for name in systems if name != TUNED) or "none"
        return _not_judged(f"it names {rival!r}, which was not scored; there are: {known}")
    if (metric, rival) not in comparisons:
        needs = METRICS.get(metric).needs.short
        return _not_judged(f"{metric} needs {needs}, which tuned or {rival} does not give")
    words = METRICS.get(metric).words
    if is_blind(METRICS.get(metric), systems[TUNED]):
        return _not_judged(
            f"even right answers score nothing in {words} on these rows; judge on rows that hold "
            "what it looks for"
        )
    if np.isnan(comparisons[metric, rival].low):
        return _not_judged(f"these rows are too few to tell how far off {words} may be")
    return _rule(margin, comparisons[metric, rival])


def is_blind(metric: Metric[Any], answers: Answered) -> bool:
    """Whether even right answers score 0, as in F1 where no row is positive."""
    if metric.needs_scores or not isinstance(answers, Answers):
        return False
    return metric.function(replace(answers, answer=answers.truth)) == 0


def gain(comparison: Comparison) -> tuple[float, float, float]:
    """Return difference, low and high so that more is better whatever the metric."""
    if METRICS.get(comparison.metric).higher_is_better:
        return comparison.difference, comparison.low, comparison.high
    return -comparison.difference, -comparison.high, -comparison.low


def _not_judged(why: str) -> Ruling:
    return Ruling(state="open", reason=f"A gate cannot be judged: {why}.", slack=float("nan"))


def _rule(margin: float, comparison: Comparison) -> Ruling:
    difference, low, high = gain(comparison)
    noun = "row(s)" if comparison.groups is None else "group(s)"
    metric = METRICS.get(comparison.metric)
    unit = metric.unit
    asked = f"the gate asks for more than {unit.write(margin)}"
    seen = (
        f"{unit.told(difference)} in {metric.words} "
        f"(95 % interval {unit.write(low)} to {unit.write(high)}, {comparison.rows})"
    )
    hopeless = high < margin or (difference <= margin and high <= margin + unit.worth_having)
    state: State
    if low > margin and comparison.differing >= FEWEST_DIFFERING:
        state, reason = "passed", f"tuned beats {comparison.b} by {seen}; {asked}."
    elif low > margin:
        state = "open"
        reason = (
            f"tuned beats {comparison.b} by {seen}, but they answer differently on only "
            f"{comparison.differing} {noun}, and fewer than {FEWEST_DIFFERING} can show nothing; "
            "score them on more rows."
        )
    elif hopeless and (lacking := _rows_lacking(margin, comparison)):
        state = "open"
        reason = (
            f"These rows cannot tell whether tuned beats {comparison.b}: the gain is {seen}, "
            f"{asked}. They answer differently on {comparison.differing} of {comparison.units:,} "
            f"{noun}, and so few leave room for a gain; about {lacking:,} more would exclude one "
            "worth having, if they went on alike."
        )
    elif hopeless:
        state = "failed"
        best = f"at best it is {unit.told(high - margin)} above, less than is worth having"
        why = "even the upper end of the interval is below that" if high < margin else best
        reason = (
            f"tuned does not beat {comparison.b} by what the gate asks: the gain is {seen}, "
            f"{asked}; {why}."
        )
    else:
        state = "open"
        reason = (
            f"These rows cannot tell whether tuned beats {comparison.b}: the gain is {seen}, "
            f"{asked}. {rows_missing(comparison, margin)}"
        )
    return Ruling(state=state, reason=reason, slack=low - margin)


def _rows_lacking(margin: float, comparison: Comparison) -> int:
    """Return how many more rows, or groups, it takes to say that there is no gain; 0: enough.

    Systems that differ on hardly any row have an interval that is too narrow, or a point. What
    was not seen once in n rows is with 95 % certainty rarer than 3 / n, the rule of three; a
    gain that rare has to be below the margin, or below what is worth having.
    Source: Hanley and Lippman-Hand 1983, "If Nothing Goes Wrong, Is Everything All Right?".
    """
    if comparison.differing >= FEWEST_DIFFERING:
        return 0
    rarest = max(margin, METRICS.get(comparison.metric).unit.worth_having)
    return max(0, floor(3 / rarest) + 1 - comparison.units)


def rows_missing(comparison: Comparison, margin: float) -> str:
    """Return in words how many more test rows would settle an open comparison.

    An interval shrinks with the square root of the rows. If the gain seen is the true one, its
    lower end passes the margin four times in five once the half-width is gain − margin over
    1.43. A gain that is not above the margin can only be ruled out: then the upper end has to
    come within what is worth having, such as 2 points, of the margin.
    """
    difference, low, high = gain(comparison)
    unit = METRICS.get(comparison.metric).unit
    width = unit.told(high - low)
    if difference > margin:
        times = (_POWER * (difference - low) / (difference - margin)) ** 2
        then = "settle it four times in five, if the gain stays as it is"
    else:
        times = ((high - difference) / (margin + unit.worth_having - difference)) ** 2
        then = "be enough to rule out a gain worth having, if the difference stays as it is"
    if times > _HOPELESS:
        return (
            f"The interval is {width} wide, and it would take more than {_HOPELESS} times "
            "as many test rows: a larger gain is needed, not a larger test."
        )
    more = max(1, ceil(comparison.n * (times - 1)))
    step = int(10 ** max(0, len(str(more)) - 2))  # two digits: the estimate is no better
    return (
        f"The interval is {width} wide; about {ceil(more / step) * step:,} more test rows "
        f"would {then}."
    )
