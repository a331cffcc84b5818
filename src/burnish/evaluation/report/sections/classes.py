"""Label by label: precision, recall, F1, and what is taken for what."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.groups import groups_of
from burnish.evaluation.per_class import ClassScore, confusion, per_class
from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.scales import Scale, scale_of
from burnish.evaluation.report.words import tick

_MOST_LABELS = 100  # rows of the table, the most frequent ones
_MOST_IN_MATRIX = 16  # a wider table cannot be read; a list of pairs stands in for it
_MOST_PAIRS = 20
_RESAMPLES = 1000


def view(run: RunFiles) -> dict[str, Any]:
    """Return the table of labels, and how they are confused."""
    answers = run.labels()
    groups = None if run.rows is None else groups_of(run.rows, answers.ids)
    by_label = per_class(answers, resamples=_RESAMPLES, groups=groups)
    names, counts = [score.label for score in by_label], confusion(answers)
    scores = sorted(by_label, key=lambda score: -score.support)
    shown = scores[:_MOST_LABELS]
    values = [v for s in shown for v in (s.precision, s.recall, s.f1, s.low, s.high)]
    scale = scale_of(values, bounds=(0.0, 1.0), label=tick)
    small = len(scores) <= _MOST_IN_MATRIX
    return {
        "rows": [_row(score, scale) for score in shown],
        "left_out": len(scores) - len(shown),
        "scale": scale,
        "multi_label": answers.space.multi_label,
        "matrix": _matrix(names, counts) if small else None,
        "pairs": [] if small else _pairs(names, counts),
    }


def _row(score: ClassScore, scale: Scale) -> dict[str, Any]:
    return {
        "score": score,
        "missed": score.support - score.hits,
        "false_alarms": score.answered - score.hits,
        "f1": scale.place(score.f1, score.low, score.high),
        "precision": scale.at(score.precision),
        "recall": scale.at(score.recall),
    }


def _matrix(names: list[str], counts: NDArray[np.int64]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each label that should be said: how often each label was, of how many."""
    rows = zip(names, counts.tolist(), strict=True)
    return [
        (name, [{"count": n, "total": sum(row), "right": i == j} for j, n in enumerate(row)])
        for i, (name, row) in enumerate(rows)
    ]


def _pairs(names: list[str], counts: NDArray[np.int64]) -> list[tuple[str, str, int]]:
    """Return (should, said, times) of the most frequent confusions."""
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    places = np.column_stack(np.unravel_index(order, wrong.shape))
    return [(names[i], names[j], int(wrong[i, j])) for i, j in places if wrong[i, j]]
