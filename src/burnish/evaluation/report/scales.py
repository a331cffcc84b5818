"""Map values to positions in a plot, in percent, with round tick marks.

Plots place everything by percentages, so they stretch to any width while their text keeps
its size: the same picture is readable on a desktop and on a phone.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from burnish.evaluation.report.words import is_number

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_SAME = 1e-9  # values closer than this, relative to their size, are one value


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One mark on an axis."""

    at: float  # position in percent
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value and its interval lie on an axis, in percent; None: no interval."""

    at: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis from `low` to `high`, both ends included; low < high."""

    low: float
    high: float
    ticks: tuple[Tick, ...]

    def at(self, value: float) -> float:
        """Return the position of `value` in percent, kept inside [0, 100]."""
        return round(min(100.0, max(0.0, _percent(value, self.low, self.high))), 2)

    def place(self, value: Any, low: Any = None, high: Any = None) -> Place | None:
        """Return where a value with its interval lies; None where there is no value."""
        if not is_number(value):
            return None
        ends = [self.at(end) if is_number(end) else None for end in (low, high)]
        return Place(at=self.at(value), low=ends[0], high=ends[1])


def scale_of(
    values: Iterable[Any],
    *,
    wanted: int = 5,
    include: Iterable[float] = (),
    bounds: tuple[float, float] = (-math.inf, math.inf),
    label: Callable[[float], str] = "{:g}".format,
) -> Scale:
    """Return an axis that holds all finite values, its ends on round numbers.

    It has about `wanted` tick marks, written by `label`, holds the numbers of `include` too,
    such as 0, and never goes beyond `bounds`, such as (0, 1) for shares.
    """
    finite = [v for v in (*values, *include) if is_number(v)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if high - low <= _SAME * max(abs(low), abs(high), _SAME):
        room = 0.1 * abs(low) if abs(low) > _SAME else 1.0
        low, high = max(bounds[0], low - room), min(bounds[1], high + room)
    step = _round_step((high - low) / max(1, wanted))
    low = max(bounds[0], math.floor(low / step + 1e-9) * step)
    high = min(bounds[1], math.ceil(high / step - 1e-9) * step)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    marks = [float(f"{k * step:.12g}") + 0.0 for k in range(first, last + 1)]
    ticks = tuple(Tick(at=round(_percent(m, low, high), 2), label=label(m)) for m in marks)
    return Scale(low=low, high=high, ticks=ticks)


def doubling_scale(
    marks: Iterable[float], *, label: Callable[[float], str] = "{:,.0f}".format
) -> Scale:
    """Return an axis of binary logarithms with a tick at each mark, all above 0, and some room.

    A value lies at its logarithm: `scale.at(math.log2(value))`.
    """
    places = [(math.log2(mark), label(mark)) for mark in sorted(marks)]
    room = 0.04 * (places[-1][0] - places[0][0]) or 1.0
    low, high = places[0][0] - room, places[-1][0] + room
    ticks = tuple(Tick(at=round(_percent(at, low, high), 2), label=text) for at, text in places)
    return Scale(low=low, high=high, ticks=ticks)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(s * power for s in _STEPS if s * power >= rough * (1 - 1e-9))


def _percent(value: float, low: float, high: float) -> float:
    return 100.0 * (value - low) / (high - low)
