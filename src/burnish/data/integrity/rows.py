"""Checks of single rows: no text or answer, empty ones, unknown label, strange length."""

import numpy as np
import polars as pl

from burnish.data.integrity.hit import Hit, Parts, hit_rows
from burnish.records import LabelSpace, Space

# Robust standard deviations of log length from which a text is far from the others; a normal
# distribution has 6 in ten million beyond.
_FAR = 5.0
_LEAST_SPREAD = 0.25  # of log length: texts of nearly one length must not make outliers of ±20 %
_SHOWN_LABELS = 5

# An accepted answer of the row is empty, or white space only.
HAS_EMPTY_ANSWER = (
    pl.col("labels")
    .list.eval(pl.element().str.strip_chars() == "")
    .list.any()
    .fill_null(value=False)
)


def null_text(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find rows whose text is missing."""
    return _where(parts, pl.col("text").is_null(), "row(s) have no text")


def empty_text(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find rows whose text is empty or white space only."""
    empty = (pl.col("text").str.strip_chars() == "").fill_null(value=False)
    return _where(parts, empty, "text(s) are empty")


def null_label(parts: Parts, space: Space) -> list[Hit]:
    """Find rows whose label is missing; an empty list of labels is an answer, not a gap."""
    several = isinstance(space, LabelSpace) and space.multi_label
    more = "; no label at all is [], or an empty CSV cell with `task.multi_label: true`"
    missing = pl.col("labels").is_null()
    return _where(parts, missing, f"row(s) have no {space.noun}", more=more if several else "")


def empty_answer(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find rows of which an accepted answer is empty or white space only."""
    return _where(parts, HAS_EMPTY_ANSWER, "answer(s) are empty")


def _where(parts: Parts, wrong: pl.Expr, what: str, *, more: str = "") -> list[Hit]:
    hits = []
    for split, rows in parts.items():
        mask = rows.select(wrong).to_series()
        hits += hit_rows(split, rows, mask, f"{{n}} {{split}} {what} (first: {{first}}){more}")
    return hits


def unknown_label(parts: Parts, space: LabelSpace) -> list[Hit]:
    """Find rows with a label that is not one of the task's."""
    hits = []
    for split, rows in parts.items():
        strange = rows["labels"].list.set_difference(list(space.names))
        unknown = (strange.list.len() > 0).fill_null(value=False)
        if unknown.any():
            counts = strange.filter(unknown).explode().value_counts(sort=True, name="n")
            named = [f"{label!r} ({n})" for label, n in counts.head(_SHOWN_LABELS).iter_rows()]
            names = ", ".join(named).replace("{", "{{").replace("}", "}}")
            message = f"{{n}} {{split}} row(s) have an unknown label: {names} (first: {{first}})"
            hits += hit_rows(split, rows, unknown, message)
    return hits


def length_outliers(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find texts far longer or shorter than the others, by the logarithm of their length."""
    lengths = {s: rows["text"].str.len_chars().fill_null(0) for s, rows in parts.items()}
    logs = np.log1p(pl.concat(list(lengths.values())).to_numpy())
    if not logs.size:
        return []
    middle = float(np.median(logs))
    spread = max(_LEAST_SPREAD, 1.4826 * float(np.median(np.abs(logs - middle))))
    low, high = np.expm1([middle - _FAR * spread, middle + _FAR * spread])
    hits = []
    for split, rows in parts.items():
        far = ((lengths[split] < low) | (lengths[split] > high)) & (lengths[split] > 0)
        if not far.any():
            continue
        found = lengths[split].filter(far).to_numpy()
        message = (
            f"{{n}} {{split}} text(s) are unusually long or short: {found.min()} to "
            f"{found.max()} characters, usual are {max(1, low):.0f} to {high:.0f} "
            "(first: {first})"
        )
        hits += hit_rows(split, rows, far, message)
    return hits
