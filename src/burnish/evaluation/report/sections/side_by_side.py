"""What the systems wrote for the same rows: evenly chosen ones, the best and the worst.

A score of overlap says little about a text; reading ten of them side by side says most of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import by_row
from burnish.evaluation.metrics.table import METRICS, first_fit
from burnish.evaluation.report.runfiles import TUNED, RunFiles
from burnish.evaluation.report.sections.verdict import deciding_comparison
from burnish.evaluation.report.words import clipped
from burnish.evaluation.texts import Texts
from burnish.records import TextSpace

BASE = "base"
_EVENLY, _AT_EITHER_END = 12, 3  # rows
_MOST_INPUT, _MOST_ANSWER, _MOST_REFERENCES = 500, 900, 3  # characters, characters, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What one system wrote, and its score by row, both findable by id."""

    name: str
    texts: Texts
    scores: NDArray[np.float64]  # shape (n,), in `metric_of` the run

    def said(self, row: int) -> dict[str, Any]:
        """Return one row's answer for the page."""
        answer = clipped(self.texts.answers[row], _MOST_ANSWER)
        return {"system": self.name, "answer": answer, "score": float(self.scores[row])}


def view(run: RunFiles) -> dict[str, Any]:
    """Return groups of rows, each row with its input, references and answers."""
    names = systems_shown(run)
    systems = [system_of(run, name) for name in names]
    rows_of = [{key: row for row, key in enumerate(s.texts.ids)} for s in systems]
    inputs = run.inputs()

    def shown(row: int) -> dict[str, Any]:
        key = systems[0].texts.ids[row]
        pairs = zip(systems, rows_of, strict=True)
        return shown_row(systems[0].texts, row, inputs) | {
            "said": [system.said(rows[key]) for system, rows in pairs if key in rows]
        }

    return {
        "names": names,
        "inputs": bool(inputs),
        "metric": metric_of(run),
        "groups": [
            (title, [shown(row) for row in rows])
            for title, rows in _chosen(ranked(run, systems[0].scores)).items()
        ],
    }


def systems_shown(run: RunFiles) -> list[str]:
    """Return the tuned model, the untouched one and the strongest cheap system, where there."""
    comparison = deciding_comparison(run)
    rival = str(comparison["b"]) if comparison else BASE
    return [TUNED, *(name for name in dict.fromkeys((BASE, rival)) if name in run.predictions)]


def system_of(run: RunFiles, name: str) -> System:
    """Return what a system wrote, scored row by row.

    Raises:
        Absent: it answered no row that has a reference.
    """
    texts = run.texts(name)
    return System(name=name, texts=texts, scores=by_row(METRICS.get(metric_of(run)), texts))


def metric_of(run: RunFiles) -> str:
    """Return the metric that rows are told by: the verdict's."""
    return first_fit((run.metric,), TextSpace())


def ranked(run: RunFiles, scores: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return rows from the best to the worst, by their scores in `metric_of`; ties by order."""
    sign = -1 if METRICS.get(metric_of(run)).higher_is_better else 1
    order: NDArray[np.intp] = np.argsort(sign * scores, kind="stable")
    return order


def shown_row(texts: Texts, row: int, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Return id, input and references of one row, shortened for the page."""
    accepted = texts.references[row]
    key = texts.ids[row]
    return {
        "id": key,
        "input": clipped(inputs[key], _MOST_INPUT) if key in inputs else None,
        "references": [clipped(text, _MOST_ANSWER) for text in accepted[:_MOST_REFERENCES]],
        "more_references": len(accepted[_MOST_REFERENCES:]),
    }


def _chosen(best_first: NDArray[np.intp]) -> dict[str, Sequence[int]]:
    """Return rows by the title of their group; where there are few rows, all of them."""
    n, ends = len(best_first), _AT_EITHER_END
    evenly = np.unique(np.linspace(0, n - 1, _EVENLY).round().astype(np.intp)).tolist()
    if n <= _EVENLY:
        return {"All rows": evenly}
    return {
        "A dozen rows, evenly chosen": evenly,
        "Where the tuned model does worst": best_first[: -ends - 1 : -1].tolist(),
        "Where it does best": best_first[:ends].tolist(),
    }
