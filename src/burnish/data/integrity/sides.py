"""Checks between splits: texts and groups on two sides, and classes that a split lacks."""

from itertools import combinations

import polars as pl

from burnish.data.integrity.hit import HAS_TEXT, Hit, Parts, hit, place
from burnish.data.keys import CLUSTER, KEY
from burnish.records import LabelSpace, Space

# Dropping takes rows from the side that comes first here: what is scored stays whole.
_ORDER = ("train", "tune", "validation", "test")


def leak(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find texts that are in two splits."""
    return _across(parts, KEY, HAS_TEXT, "text(s) are also in", "repeats")


def near_leak(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find texts that are in one split and, changed a little, in another."""
    return _across(parts, CLUSTER, HAS_TEXT, "text(s) are nearly in", "nearly repeats")


def group_leak(parts: Parts, space: Space) -> list[Hit]:  # noqa: ARG001
    """Find groups that are in two splits, as given ones may have them."""
    grouped = pl.col("group").is_not_null()
    told = "row(s) are of groups that are also in"
    return _across(parts, "group", grouped, told, "is of the group of")


def _across(parts: Parts, column: str, known: pl.Expr, verb: str, again: str) -> list[Hit]:
    hits = []
    for near, far in combinations([name for name in _ORDER if name in parts], 2):
        here, there = parts[near].filter(known), parts[far].filter(known)
        if column == CLUSTER:  # what is the same to the letter is `leak`'s to tell
            here, there = _without(here, there), _without(there, here)
        found = there.filter(_in(column, here))
        if found.height:
            twin = here.filter(pl.col(column) == found[column][0])
            message = (
                f"{found.height} {far} {verb} {near} (first: {place(found)} {again} {place(twin)})"
            )
            drop = parts[near].select(_in(KEY, here) & _in(column, found)).to_series()
            hits.append(hit(far, found, message, {near: drop}))
    return hits


def _in(column: str, rows: pl.DataFrame) -> pl.Expr:
    return pl.col(column).is_in(rows[column].implode()).fill_null(value=False)


def _without(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(~_in(KEY, others))


def missing_class(parts: Parts, space: LabelSpace) -> list[Hit]:
    """Find classes of which a split has no row."""
    hits = []
    for split, rows in parts.items():
        present = set(rows["labels"].drop_nulls().explode().drop_nulls().unique())
        absent = [name for name in space.names if name not in present]
        if absent:
            effect = "cannot be learned" if split == "train" else "cannot be scored"
            message = f"{split} has no row of {len(absent)} class(es), which {effect} there: "
            message += ", ".join(absent)
            hits.append(Hit(split=split, message=message, count=0))
    return hits
