"""Checks within a part: the same text again, nearly again, or again with other labels."""

import polars as pl

from burnish.data.integrity.hit import HAS_TEXT, Hit, Parts, place
from burnish.data.keys import CLUSTER, KEY
from burnish.records import LabelSpace

_AT = "burnish:at"


def duplicates(parts: Parts, space: LabelSpace) -> list[Hit]:  # noqa: ARG001
    """Find rows whose text an earlier row of the part already has; the first is not counted."""
    return _again(parts, KEY, pl.lit(value=True), "repeat")


def near_duplicates(parts: Parts, space: LabelSpace) -> list[Hit]:  # noqa: ARG001
    """Find rows nearly the same as an earlier, different text of the part; see `data.dedupe`."""
    return _again(parts, CLUSTER, pl.col(KEY) != pl.col(KEY).first().over(CLUSTER), "nearly repeat")


def _again(parts: Parts, column: str, other: pl.Expr, verb: str) -> list[Hit]:
    hits = []
    for split, rows in parts.items():
        again = rows.select(~pl.col(column).is_first_distinct() & HAS_TEXT & other).to_series()
        if not again.any():
            continue
        second = rows.filter(again).head(1)
        first = rows.filter(pl.col(column) == second[column][0]).head(1)
        count = int(again.sum())
        hits.append(
            Hit(
                split=split,
                message=f"{count} {split} text(s) {verb} an earlier one (first: {place(second)} "
                f"{verb}s {place(first)})",
                count=count,
                file=second["file"][0],
                row=second["row"][0],
                drops={split: again},
            )
        )
    return hits


def conflicting_labels(parts: Parts, space: LabelSpace) -> list[Hit]:  # noqa: ARG001
    """Find rows of one text that do not agree on the labels; `drop` leaves out all of them."""
    hits = []
    for split, rows in parts.items():
        answers = rows.select(
            pl.col(KEY), HAS_TEXT.alias("text"), answer=pl.col("labels").list.join("\x1f")
        )
        repeated = answers.filter(pl.col(KEY).is_duplicated() & pl.col("text"))
        torn = (
            repeated.group_by(KEY)
            .agg(pl.col("answer").drop_nulls().n_unique().alias("answers"))
            .filter(pl.col("answers") > 1)
        )
        mask = rows[KEY].is_in(torn[KEY].implode())
        if torn.height:
            hits.append(_conflict(split, rows, mask, torn.height))
    return hits


def _conflict(split: str, rows: pl.DataFrame, mask: pl.Series, texts: int) -> Hit:
    one = rows.filter(mask).head(1)
    same = rows.filter(pl.col(KEY) == one[KEY][0])
    answer = pl.col("labels").list.join("\x1f")
    others = same.filter(answer != answer.first())
    said = [", ".join(r["labels"][0]) or "no label" for r in (one, others)]
    return Hit(
        split=split,
        message=f"{texts} {split} text(s) have different labels in different rows (first: "
        f"{place(one)} says {said[0]}, {place(others)} says {said[1]})",
        count=int(mask.sum()),
        file=one["file"][0],
        row=one["row"][0],
        drops={split: mask},
    )
