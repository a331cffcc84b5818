"""Make the page of a learning curve from the content of its `curve.json` alone.

Called by `pipeline.curve`; plots and style are those of the report of a run.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from burnish.evaluation.gates import TUNED
from burnish.evaluation.report.scales import Scale, doubling_scale, scale_of
from burnish.evaluation.report.template import filled
from burnish.evaluation.report.words import is_number, is_share, measured, metric_label, ticks_of

# outlook → (headline, what it means for the reader, tone of the page)
_HEADLINES: Mapping[str, tuple[str, str, str]] = {
    "rises": (
        "More rows would help.",
        "The score still gets better with the rows, by more than chance would explain.",
        "ship",
    ),
    "flat": (
        "More rows are not what is missing.",
        "Twice as many of the same kind would bring less than is worth having.",
        "keep-baseline",
    ),
    "falls": (
        "More rows are not what is missing.",
        "The score gets worse with more rows of this kind: look at their labels first.",
        "keep-baseline",
    ),
    "open": (
        "These sizes cannot tell.",
        "More rows may help or not: chance hides what they would bring.",
        "need-more-data",
    ),
}

_ASIDE = 0.7  # percent that a rival stands to the left, so that no interval hides another

Estimate = Mapping[str, Any]  # value, low, high
Point = tuple[float, float]  # in percent, from the left and from the top


def curve_page(told: Mapping[str, Any]) -> str:
    """Return a learning curve as one HTML document; `told` is the content of curve.json."""
    headline, meaning, tone = _HEADLINES[told["outlook"]]
    return filled(
        "curve.html.j2",
        told=told,
        headline=headline,
        meaning=meaning,
        tone=tone,
        now=told["sizes"][-1]["systems"][TUNED],
        chart=_chart(told),
        others=[
            name for name in told["sizes"][-1]["systems"] if name not in (TUNED, told["cheap"])
        ],
        law=_law(told),
    )


def _chart(told: Mapping[str, Any]) -> dict[str, Any]:
    metric, sizes = told["metric"], told["sizes"]
    shown = [TUNED] if told["cheap"] is None else [told["cheap"], TUNED]
    marks = [size["rows"] for size in sizes] + [one["rows"] for one in told["beyond"]]
    estimates = [size["systems"][name] for size in sizes for name in shown] + [*told["fan"]]
    y = scale_of(
        [one[key] for one in estimates for key in ("value", "low", "high")],
        bounds=(0.0, 1.0) if is_share(metric) else (0.0, math.inf),
        label=ticks_of(metric),
    )
    x = doubling_scale(marks)
    last = sizes[-1]
    ahead = [last["systems"][TUNED] | {"rows": last["rows"]}, *told["fan"]]
    return {
        "title": metric_label(metric),
        "x": x,
        "y": y,
        "series": [_series(name, sizes, x, y, metric) for name in shown],
        "middle": _path([_point(x, y, one["rows"], one["value"]) for one in ahead]),
        "fan": _path(
            [_point(x, y, one["rows"], one["high"]) for one in ahead]
            + [_point(x, y, one["rows"], one["low"]) for one in reversed(ahead)]
        ),
        "summary": "; ".join(
            f"{size['rows']:,.0f} rows: {measured(size['systems'][TUNED]['value'], metric)}"
            for size in sizes
        ),
    }


def _point(x: Scale, y: Scale, rows: float, value: float) -> Point:
    return x.at(math.log2(rows)), round(100 - y.at(value), 2)


def _path(points: Sequence[Point]) -> str:
    return " ".join(f"{across:g},{down:g}" for across, down in points)


def _series(
    name: str, sizes: Iterable[Mapping[str, Any]], x: Scale, y: Scale, metric: str
) -> dict[str, Any]:
    """Return the line of a system with a dot and an interval at each size."""
    dots: list[dict[str, Any]] = []
    for size in sizes:
        one, rows = size["systems"][name], size["rows"]
        across, down = _point(x, y, rows, one["value"])
        across -= 0 if name == TUNED else _ASIDE
        ends = [_point(x, y, rows, one[key])[1] for key in ("low", "high") if is_number(one[key])]
        label = f"{rows:,.0f} rows: {measured(one['value'], metric)}"
        dots.append({"x": across, "y": down, "ends": ends, "label": label})
    return {
        "name": name,
        "kind": "tuned" if name == TUNED else "rival",
        "path": _path([(dot["x"], dot["y"]) for dot in dots]),
        "dots": dots,
    }


def _law(told: Mapping[str, Any]) -> list[tuple[str, str, Estimate]]:
    """Return the constants of the power law: name, meaning, estimate."""
    meanings = {
        "a": "what the score comes near with ever more rows",
        "b": "what is lacking to it with a single row",
        "c": "how fast that is made up for: each doubling leaves 2^−c of it",
        "noise": "how far one training strays by luck, a standard deviation",
    }
    return [(name, words, told["law"][name]) for name, words in meanings.items()]
