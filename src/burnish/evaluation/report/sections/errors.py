"""The answers that cost the tuned model most: wrong, and sure of it; with their texts."""

from typing import Any

from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.words import clipped
from burnish.evaluation.worst_errors import worst_errors

_MOST_ERRORS = 20
_MOST_CHARACTERS = 900  # of one text; the row's id says where the rest is


def view(run: RunFiles) -> dict[str, Any]:
    """Return the worst errors, the most confident first."""
    answers = run.labels()
    texts = {key: clipped(text, _MOST_CHARACTERS) for key, text in run.inputs().items()}
    return {
        "n": len(answers),
        "wrong": int((~answers.correct).sum()),
        "texts": texts,
        "errors": worst_errors(answers, texts, limit=_MOST_ERRORS),
    }
