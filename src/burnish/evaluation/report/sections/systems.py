"""The ladder: every system on the same rows, with intervals and paired comparisons."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from burnish.evaluation.report.runfiles import TUNED, Absent, RunFiles
from burnish.evaluation.report.scales import scale_of
from burnish.evaluation.report.words import (
    changes_of,
    is_number,
    is_share,
    lower_is_better,
    ticks_of,
)
from burnish.evaluation.spaces import is_labels
from burnish.records import Score

_ENDS = ("difference", "low", "high")


def view(run: RunFiles) -> dict[str, Any]:
    """Return one table a split (the judged one first) and the paired comparisons."""
    if not run.scores:
        raise Absent("scores.json holds no scores.")
    splits = sorted({score.split for score in run.scores}, key=lambda s: (s != run.split, s))
    return {
        "metric": run.metric,
        "plain": not all(is_share(score.metric) for score in run.scores),
        "by_row": run.space is None or is_labels(run.space),  # rows are right or wrong
        "tables": [_table(run, split) for split in splits],
        "comparisons": _comparisons(run),
    }


def _table(run: RunFiles, split: str) -> dict[str, Any]:
    scores = [score for score in run.scores if score.split == split]
    metrics = sorted({s.metric for s in scores}, key=lambda m: (m != run.metric, m == "ece", m))
    by_system: dict[str, dict[str, Score]] = {}
    for score in scores:
        by_system.setdefault(score.system, {})[score.metric] = score
    falling = lower_is_better(run.metric)
    last = math.inf if falling else -math.inf
    order = sorted(by_system, key=lambda name: _rank(by_system[name].get(run.metric), last))
    if not falling:
        order.reverse()
    shown = [by_system[name].get(run.metric) for name in order]
    ends = [end for score in shown if score for end in (score.value, score.low, score.high)]
    scale = scale_of(ends, wanted=6, label=ticks_of(run.metric))
    return {
        "split": split,
        "n": max(score.n for score in scores),
        "metrics": metrics,
        "best": {metric: _best(metric, by_system.values()) for metric in metrics},
        "scale": scale,
        "systems": [
            {
                "name": name,
                "tuned": name == TUNED,
                "scores": by_system[name],
                "strip": scale.place(score.value, score.low, score.high) if score else None,
            }
            for name, score in zip(order, shown, strict=True)
        ],
    }


def _rank(score: Score | None, unknown: float) -> float:
    return score.value if score and is_number(score.value) else unknown


def _best(metric: str, systems: Iterable[Mapping[str, Score]]) -> float | None:
    values = [s[metric].value for s in systems if metric in s and is_number(s[metric].value)]
    if not values:
        return None
    return min(values) if lower_is_better(metric) else max(values)


def _comparisons(run: RunFiles) -> list[dict[str, Any]]:
    """Return one plot for each unit of difference: points, and others where there are any."""
    found = [c for c in run.verdict.get("comparisons", ()) if is_number(c.get("difference"))]
    found.sort(key=lambda c: (c["metric"] != run.metric, c["metric"], c["difference"]))
    units: dict[str, list[dict[str, Any]]] = {}
    for comparison in found:
        metric = comparison["metric"]
        units.setdefault("points" if is_share(metric) else metric, []).append(comparison)
    return [_plot(unit, comparisons) for unit, comparisons in units.items()]


def _plot(unit: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    scale = scale_of(
        [c.get(key) for c in found for key in _ENDS], include=[0.0], label=changes_of(unit)
    )
    return {
        "unit": unit,
        "falling": any(lower_is_better(c["metric"]) for c in found),
        "scale": scale,
        "zero": scale.at(0.0),
        "rows": [dict(c) | {"strip": scale.place(*map(c.get, _ENDS))} for c in found],
    }
