"""Label by label: precision, recall, F1, and what is taken for what."""

from typing import Any

import numpy as np

from burnish.evaluation.answers import Answers
from burnish.evaluation.per_class import NO_LABEL, ClassScore, confusion, per_class
from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.scales import Scale, scale_of
from burnish.evaluation.report.words import tick

_MOST_LABELS = 100  # rows of the table, the most frequent ones
_MOST_IN_MATRIX = 16  # a wider table cannot be read; a list of pairs stands in for it
_MOST_PAIRS = 20
_RESAMPLES = 1000


def view(run: RunFiles) -> dict[str, Any]:
    """Return the table of labels, and how they are confused."""
    answers = run.answers()
    scores = sorted(per_class(answers, resamples=_RESAMPLES), key=lambda score: -score.support)
    shown = scores[:_MOST_LABELS]
    values = [v for s in shown for v in (s.precision, s.recall, s.f1, s.low, s.high)]
    scale = scale_of(values, bounds=(0.0, 1.0), label=tick)
    small = len(scores) <= _MOST_IN_MATRIX
    return {
        "rows": [_row(score, scale) for score in shown],
        "left_out": len(scores) - len(shown),
        "scale": scale,
        "multi_label": answers.space.multi_label,
        "matrix": _matrix(answers) if small else None,
        "pairs": [] if small else _pairs(answers),
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


def _names(answers: Answers) -> list[str]:
    extra = [NO_LABEL] if answers.space.multi_label else []
    return [*answers.space.names, *extra]


def _matrix(answers: Answers) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each label that should be said: how often each label was, and what share."""
    names, counts = _names(answers), confusion(answers)
    return [
        (
            name,
            [
                {"said": names[j], "count": n, "total": sum(row), "right": i == j}
                for j, n in enumerate(row)
            ],
        )
        for i, (name, row) in enumerate(zip(names, counts.tolist(), strict=True))
    ]


def _pairs(answers: Answers) -> list[tuple[str, str, int]]:
    """Return (should, said, times) of the most frequent confusions."""
    names, counts = _names(answers), confusion(answers)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MOST_PAIRS]
    places = [divmod(int(place), len(names)) for place in order]
    return [(names[i], names[j], int(counts[i, j])) for i, j in places if counts[i, j]]
