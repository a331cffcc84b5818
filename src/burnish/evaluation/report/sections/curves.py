"""How training went: loss, the metric that selects, and the learning rate, over epochs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.evaluation.report.runfiles import Absent, RunFiles
from burnish.evaluation.report.scales import Scale, scale_of
from burnish.evaluation.report.words import (
    figures,
    is_number,
    is_share,
    metric_label,
    out_of_100,
    tick,
)

_MOST_POINTS = 240  # a line; more cannot be seen and would swell the page
_WELL_KNOWN = ("lexglue_macro_f1", "macro_f1", "f1", "micro_f1", "accuracy", "rougeL")
_STEP = "_step"  # ends the names of what is told of steps, not of epochs
_STOPPED = {
    "early": "because the rows that choose no longer improved",
    "time": "at the time limit of the recipe",
    "signal": "because it was interrupted",
}

Point = tuple[float, float]  # epoch, value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    name: str
    points: list[Point]
    dotted: bool  # each point is an epoch worth a dot

    @property
    def is_each_step(self) -> bool:
        return self.name.endswith(_STEP)

    @property
    def spoken(self) -> str:
        where = self.name.split("/")[0].replace("_", " ")
        return where + (", each step" if self.is_each_step else "")


def view(run: RunFiles) -> dict[str, Any]:
    """Return up to three charts, and the epoch kept if the manifest tells it."""
    if run.history is None:
        raise Absent("history.jsonl is not in the run folder.")
    lines = {line.name: line for line in _lines(run.history)}
    training = run.section("training")
    kept = training.get("kept_epoch")
    end = max((p[0] for line in lines.values() for p in line.points), default=0.0)
    epochs = scale_of([0.0, end], wanted=6)
    charts = [
        _chart(
            "Loss", "lower is better", _named(lines, "loss", f"loss{_STEP}"), epochs, kept, figures
        ),
        _metric_chart(lines, run.metric, epochs, kept),
        _chart("Learning rate", "peak, then decay", _named(lines, "learning_rate"), epochs, None),
    ]
    shown = [chart for chart in charts if chart]
    if not shown:
        raise Absent("history.jsonl holds no numbers to draw.")
    return {
        "charts": shown,
        "kept_epoch": kept if is_number(kept) else None,
        "epochs": training.get("epochs"),
        "stopped": _STOPPED.get(str(training.get("stopped"))),
    }


def _lines(history: Iterable[Mapping[str, Any]]) -> list[_Line]:
    """Gather one line a metric; where epochs and steps both tell it, epochs only get dots."""
    found: dict[tuple[str, bool], list[Point]] = {}
    for entry in history:
        by_epoch = entry.get("kind") == "epoch"
        for name, value in (entry.get("metrics") or {}).items():
            if is_number(value) and is_number(entry.get("epoch")):
                found.setdefault((str(name), by_epoch), []).append((entry["epoch"], value))
    lines = []
    for (name, by_epoch), points in found.items():
        if by_epoch or (name, True) not in found:
            lines.append(_Line(name=name, points=_thinned(points), dotted=by_epoch))
    return lines


def _thinned(points: list[Point]) -> list[Point]:
    """Average neighbours so that at most `_MOST_POINTS` are left."""
    size = -(-len(points) // _MOST_POINTS)
    groups = (points[i : i + size] for i in range(0, len(points), size))
    return [(sum(p[0] for p in g) / len(g), sum(p[1] for p in g) / len(g)) for g in groups]


def _named(lines: Mapping[str, _Line], *metrics: str) -> list[_Line]:
    return [line for name, line in lines.items() if name.split("/")[-1] in metrics]


def _metric_chart(
    lines: Mapping[str, _Line], wanted: str, epochs: Scale, kept: Any
) -> dict[str, Any] | None:
    for metric in filter(is_share, (wanted, *_WELL_KNOWN)):
        if found := _named(lines, metric):
            label, note = metric_label(metric), "out of 100"
            return _chart(label, note, found, epochs, kept, out_of_100, (0.0, 1.0))
    return None


def _chart(
    title: str,
    note: str,
    lines: list[_Line],
    epochs: Scale,
    kept: Any,
    write: Callable[[float], str] = "{:.2g}".format,
    bounds: tuple[float, float] | None = None,
) -> dict[str, Any] | None:
    values = [value for line in lines for _, value in line.points]
    if not values:
        return None
    if bounds:
        scale = scale_of(values, wanted=4, bounds=bounds, label=tick)
    else:
        scale = scale_of(values, wanted=4, include=[0.0], label=write)
    ordered = sorted(lines, key=lambda line: (line.dotted, line.name))
    return {
        "title": title,
        "note": note,
        "x": epochs,
        "y": scale,
        "kept": epochs.at(kept) if is_number(kept) else None,
        "series": [_series(line, epochs, scale, write) for line in ordered],
        "summary": "; ".join(
            f"{line.spoken} from {write(line.points[0][1])} to {write(line.points[-1][1])}"
            for line in ordered
        ),
    }


def _series(line: _Line, x: Scale, y: Scale, write: Callable[[float], str]) -> dict[str, Any]:
    places = [(x.at(epoch), round(100 - y.at(value), 2)) for epoch, value in line.points]
    of_held_out = "/" in line.name and not line.name.startswith("train/")
    dots = [
        {"x": a, "y": b, "label": f"epoch {epoch:g}: {write(value)}"}
        for (a, b), (epoch, value) in zip(places, line.points, strict=True)
    ]
    return {
        "name": line.spoken,
        "kind": "faint" if line.is_each_step else "tuned" if of_held_out else "rival",
        "path": " ".join(f"{a:g},{b:g}" for a, b in places),
        "dots": dots if line.dotted or len(dots) == 1 else [],
    }
