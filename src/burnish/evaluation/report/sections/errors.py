"""The answers that cost the tuned model most: wrong, and sure of it; with their texts."""

from collections.abc import Mapping
from typing import Any

from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.words import clipped
from burnish.evaluation.worst_errors import worst_errors

_MOST_ERRORS = 20
_MOST_CHARACTERS = 900  # of one text; the row's id says where the rest is


def view(run: RunFiles) -> dict[str, Any]:
    """Return the worst errors, the most confident first."""
    answers = run.answers()
    texts = _texts(run)
    return {
        "n": len(answers),
        "wrong": int((~answers.correct).sum()),
        "texts": texts,
        "errors": worst_errors(answers, texts, limit=_MOST_ERRORS),
    }


def _texts(run: RunFiles) -> Mapping[str, str]:
    if run.rows is None or not {"id", "text"} <= set(run.rows.columns):
        return {}
    pairs = zip(run.rows["id"].to_list(), run.rows["text"].to_list(), strict=True)
    return {str(key): clipped(text or "", _MOST_CHARACTERS) for key, text in pairs}
