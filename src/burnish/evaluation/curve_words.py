"""A learning curve in sentences that somebody can act on who never read a fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from burnish.evaluation.gates import TUNED
from burnish.evaluation.learning_curve import Estimate, LearningCurve, Size
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.table import METRICS
from burnish.evaluation.outlook import Ahead

_NAMES = {2.0: "Twice as many rows", 4.0: "Four times as many"}
_NOT_MISSING = "More rows of the same kind are not what is missing."
_NOT_RISING = "So far the score does not get better with the rows."
_FEW_GROUPS = 20  # of which an interval is a rough one


@dataclass(frozen=True, slots=True)
class _Teller:
    """How values of one metric are told."""

    metric: Metric[Any]
    in_logs: bool

    def span(self, low: float, high: float) -> str:
        unit = self.metric.unit
        return f"{unit.write(low)} to {unit.told(high)}"

    def gain(self, lead: Estimate) -> Estimate:
        """Return a difference so that above 0 is better."""
        if self.metric.higher_is_better:
            return lead
        return Estimate(value=-lead.value, low=-lead.high, high=-lead.low)

    @property
    def worth(self) -> str:
        unit = self.metric.unit
        return "2 %" if self.in_logs else unit.told(unit.worth_having)


def curve_words(curve: LearningCurve) -> list[str]:
    """Return what twice and four times the rows would bring, and where the cheap rival stands."""
    teller = _Teller(METRICS.get(curve.metric), curve.in_logs)
    now = curve.sizes[-1].systems[TUNED].value
    told = [_beyond(one, now, teller) for one in curve.beyond]
    first = curve.beyond[0]
    if first.state in ("flat", "falls"):
        told.insert(1, _NOT_MISSING)
    elif first.state == "open" and first.gain <= 0:
        told.insert(1, _NOT_RISING)
    if curve.cheap is not None:
        told.append(_rival(curve.sizes, curve.cheap, teller))
    return told


def _beyond(ahead: Ahead, now: float, teller: _Teller) -> str:
    write = teller.metric.unit.write
    gain = teller.span(ahead.gain_low, ahead.gain_high)
    ends = {
        "rises": f"the rows' own gain, {gain}, is above 0 beyond doubt",
        "open": f"the rows' own gain, {gain}, is not sure to be above 0",
        "flat": f"the rows' own gain, {gain}, is less than is worth having ({teller.worth})",
        "falls": f"the rows' own gain, {gain}, is below 0",
    }
    return (
        f"{_NAMES[ahead.times]} (n = {ahead.rows:,.0f}) would probably bring "
        f"{teller.metric.words} from {write(now)} to {write(ahead.low)}–{write(ahead.high)}; "
        f"{ends[ahead.state]}."
    )


def _rival(sizes: Sequence[Size], cheap: str, teller: _Teller) -> str:
    gains = [teller.gain(size.lead) for size in sizes if size.lead is not None]
    last, rows = gains[-1], f"{sizes[-1].rows:,.0f} rows"
    sure = [gain.low > 0 for gain in gains]
    unit = teller.metric.unit
    seen = f"{unit.told(abs(last.value))} in {teller.metric.words}"
    if last.low > 0:
        since = max((at + 1 for at, one in enumerate(sure) if not one), default=0)
        start = f"From {sizes[since].rows:,.0f} rows on" if since + 1 < len(sizes) else f"At {rows}"
        where = f"at {rows} " if since + 1 < len(sizes) else ""
        return (
            f"{start} tuned beats {cheap}, the best system without tuning, beyond doubt: {where}"
            f"by {seen} ({teller.span(last.low, last.high)})."
        )
    side = "ahead of" if last.value >= 0 else "behind"
    doubt = "beyond doubt" if last.high < 0 else "which may be chance"
    low, high = (last.low, last.high) if last.value >= 0 else (-last.high, -last.low)
    return (
        f"At {rows} tuned is {seen} {side} {cheap}, the best system without tuning "
        f"({teller.span(low, high)}), {doubt}."
    )


def curve_remarks(curve: LearningCurve) -> list[str]:
    """Return what must be minded when the sentences are read."""
    told = [
        "Every size was trained by the same recipe, so a smaller one also took fewer steps, and "
        "what lies ahead holds for rows of the same kind, labelled the same way.",
    ]
    if len(curve.seeds) == 1:
        told.append(
            "Each size was trained once. How far a training strays by luck is therefore guessed "
            "from how far the scores lie off a smooth curve; `--seeds 3` would measure it."
        )
    if curve.rough:
        told.append(
            "The scores do not lie on one smooth curve, so what lies ahead is wide. The smallest "
            "parts may have hardly begun to learn: fewer sizes or more epochs would tell more."
        )
    if curve.groups is not None and curve.groups < _FEW_GROUPS:
        told.append(
            f"The judged rows are of {curve.groups} groups only, so the intervals are rough."
        )
    return told
