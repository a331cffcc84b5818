"""What a power law foretells beyond the rows there are, in the metric's own unit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.bootstrap import interval
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.units import NATS, POINTS
from burnish.evaluation.power_law import PowerLaw

# A power law holds of the loss; a perplexity is its exponential.
_IN_LOGS = frozenset({"perplexity"})
_LARGEST_LOG = 700.0  # exp of more is infinite

Floats = NDArray[np.float64]
State = Literal["rises", "flat", "falls", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How values of a metric become values that follow a power law, and back."""

    forth: Callable[[Any], Floats]
    back: Callable[[Any], Floats]
    bounds: tuple[float, float]  # of the values that follow the law
    sign: int  # 1 where more of them is better, −1 where less is
    worth_having: float  # a gain smaller than this is not worth more rows
    in_logs: bool


def link_of(metric: Metric[Any], name: str) -> Link:
    """Return the link of a metric, with the bounds of what it is measured in."""
    in_logs = name in _IN_LOGS
    unit = NATS if in_logs else metric.unit
    bounds = {POINTS: (0.0, 1.0), NATS: (0.0, _LARGEST_LOG)}
    return Link(
        forth=np.log if in_logs else np.asarray,
        back=np.exp if in_logs else np.asarray,
        bounds=bounds.get(unit, (-np.inf, np.inf)),
        sign=1 if metric.higher_is_better else -1,
        worth_having=unit.worth_having,
        in_logs=in_logs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What so many rows would probably bring."""

    times: float  # the rows there are
    rows: float
    value: float  # the middle of what one training may score
    low: float  # 2.5 % point of what one training may score
    high: float  # 97.5 % point
    gain: float  # what the rows alone add, luck of trainings left out; above 0 is better
    gain_low: float
    gain_high: float
    state: State  # rises, flat and falls are beyond doubt; open: the sizes cannot tell


def ahead(
    law: PowerLaw, link: Link, times: float, *, at_least: tuple[float, float, float]
) -> Ahead:
    """Return what so many times the rows would bring.

    Args:
        law: in the values of the link.
        link: of the metric.
        times: the rows there are.
        at_least: value, low and high at the largest size there is; what lies ahead is never
            told as better known than what was measured.
    """
    rows = times * law.most
    then, now = law.at(rows), law.at(law.most)
    value = float(link.back(np.median(then)))
    low, high = interval(link.back(law.trained_on(rows)), around=value)
    low, high = _as_wide(value, low, high, at_least, link)
    gains = link.sign * (link.back(then) - link.back(now))
    gain_low, gain_high = interval(gains)
    return Ahead(
        times=times,
        rows=rows,
        value=value,
        low=low,
        high=high,
        gain=float(np.median(gains)),
        gain_low=gain_low,
        gain_high=gain_high,
        state=_state(interval(link.sign * (then - now)), link.worth_having),
    )


def _as_wide(
    value: float, low: float, high: float, at_least: tuple[float, float, float], link: Link
) -> tuple[float, float]:
    """Return an interval that is no narrower on either side, bounds of the metric allowing."""
    measured, measured_low, measured_high = at_least
    lowest, highest = (float(link.back(end)) for end in link.bounds)
    low = min(low, value - (measured - measured_low))
    high = max(high, value + (measured_high - measured))
    width = measured_high - measured_low
    high = min(high, highest)
    low = min(low, high - width)
    low = max(low, lowest)
    return low, max(high, low + width)


def _state(gains: tuple[float, float], worth_having: float) -> State:
    low, high = gains
    if high < 0:
        return "falls"
    if high < worth_having:
        return "flat"
    return "rises" if low > 0 else "open"
