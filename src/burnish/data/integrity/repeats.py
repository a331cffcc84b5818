"""Checks within a part: the same text again, nearly again, or again with other answers."""

import polars as pl

from burnish.data.integrity.hit import HAS_TEXT, Hit, Parts, hit, place
from burnish.data.keys import CLUSTER, KEY
from burnish.records import Space, TextSpace

_ANSWER = pl.col("labels").list.join("\x1f")
_SHOWN_CHARACTERS = 60


def duplicates(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find rows whose text an earlier row of the part already has; the first is not counted."""
    return _again(parts, KEY, pl.lit(value=True), "repeat")


def near_duplicates(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find rows nearly the same as an earlier, different text of the part; see `data.dedupe`."""
    return _again(parts, CLUSTER, pl.col(KEY) != pl.col(KEY).first().over(CLUSTER), "nearly repeat")


def _again(parts: Parts, column: str, other: pl.Expr, verb: str) -> list[Hit]:
    hits = []
    for split, rows in parts.items():
        again = rows.select(~pl.col(column).is_first_distinct() & HAS_TEXT & other).to_series()
        if not again.any():
            continue
        found = rows.filter(again)
        first = rows.filter(pl.col(column) == found[column][0])
        message = (
            f"{found.height} {split} text(s) {verb} an earlier one "
            f"(first: {place(found)} {verb}s {place(first)})"
        )
        hits.append(hit(split, found, message, {split: again}))
    return hits


def conflicting_labels(parts: Parts, space: Space) -> list[Hit]:
    """Find rows of one text that do not agree on the answer; `drop` leaves out all of them."""
    hits = []
    for split, rows in parts.items():
        repeated = rows.filter(pl.col(KEY).is_duplicated() & HAS_TEXT)
        torn = repeated.group_by(KEY).agg(answers=_ANSWER.drop_nulls().n_unique())
        torn = torn.filter(pl.col("answers") > 1)
        mask = rows[KEY].is_in(torn[KEY].implode()) & rows["labels"].is_not_null()
        if torn.height:
            hits.append(_conflict(split, rows, mask, torn.height, space))
    return hits


def _conflict(split: str, rows: pl.DataFrame, mask: pl.Series, texts: int, space: Space) -> Hit:
    found = rows.filter(mask)
    others = found.filter(pl.col(KEY) == found[KEY][0]).filter(_ANSWER.first() != _ANSWER)
    said = [_said(r["labels"][0], space) for r in (found, others)]
    message = (
        f"{texts} {split} text(s) have different {space.noun}s in different rows (first: "
        f"{place(found)} says {said[0]}, {place(others)} says {said[1]})"
    )
    return hit(split, found, message, {split: mask})


def _said(answer: pl.Series, space: Space) -> str:
    """Return one row's labels, or the beginning of the first of its texts in quotes."""
    if not isinstance(space, TextSpace):
        return ", ".join(answer) or f"no {space.noun}"
    first = str(answer[0])
    short = first if len(first) <= _SHOWN_CHARACTERS else first[: _SHOWN_CHARACTERS - 1] + "…"
    return repr(short)
