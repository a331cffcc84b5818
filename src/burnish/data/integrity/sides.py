"""Checks between splits: texts on two sides, nearly so, and classes that a split lacks."""

from collections.abc import Iterator
from itertools import combinations

import polars as pl

from burnish.data.integrity.hit import HAS_TEXT, Hit, Parts, place
from burnish.data.keys import CLUSTER, KEY
from burnish.records import LabelSpace

# Dropping takes rows from the side that comes first here: what is scored stays whole.
_ORDER = ("train", "tune", "validation", "test")


def leak(parts: Parts, space: LabelSpace) -> list[Hit]:  # noqa: ARG001
    """Find texts that are in two splits."""
    hits = []
    for near, far in _pairs(parts):
        here, there = parts[near].filter(HAS_TEXT), parts[far].filter(HAS_TEXT)
        found = there.filter(pl.col(KEY).is_in(here[KEY].implode()))
        if found.height:
            twin = here.filter(pl.col(KEY) == found[KEY][0])
            drop = parts[near].select(HAS_TEXT & pl.col(KEY).is_in(there[KEY].implode()))
            hits.append(_hit(near, far, found, twin, drop.to_series(), "are also", "repeats"))
    return hits


def near_leak(parts: Parts, space: LabelSpace) -> list[Hit]:  # noqa: ARG001
    """Find texts that are in one split and, changed a little, in another."""
    hits = []
    for near, far in _pairs(parts):
        here, there = parts[near].filter(HAS_TEXT), parts[far].filter(HAS_TEXT)
        # What is the same to the letter is `leak`'s to tell.
        here, there = (
            here.filter(~pl.col(KEY).is_in(there[KEY].implode())),
            there.filter(~pl.col(KEY).is_in(here[KEY].implode())),
        )
        found = there.filter(pl.col(CLUSTER).is_in(here[CLUSTER].implode()))
        if found.height:
            twin = here.filter(pl.col(CLUSTER) == found[CLUSTER][0])
            drop = parts[near][KEY].is_in(here[KEY].implode()) & parts[near][CLUSTER].is_in(
                found[CLUSTER].implode()
            )
            hits.append(_hit(near, far, found, twin, drop, "are nearly", "nearly repeats"))
    return hits


def missing_class(parts: Parts, space: LabelSpace) -> list[Hit]:
    """Find classes of which a split has no row."""
    hits = []
    for split, rows in parts.items():
        present = set(rows["labels"].drop_nulls().explode().drop_nulls().unique())
        absent = [name for name in space.names if name not in present]
        if absent:
            effect = "cannot be learned" if split == "train" else "cannot be scored"
            message = (
                f"{split} has no row of {len(absent)} class(es), which {effect} there: "
                + ", ".join(absent)
            )
            hits.append(Hit(split=split, message=message, count=0))
    return hits


def _pairs(parts: Parts) -> Iterator[tuple[str, str]]:
    return combinations([name for name in _ORDER if name in parts], 2)


def _hit(
    near: str,
    far: str,
    found: pl.DataFrame,
    twin: pl.DataFrame,
    drop: pl.Series,
    verb: str,
    again: str,
) -> Hit:
    return Hit(
        split=far,
        message=f"{found.height} {far} text(s) {verb} in {near} (first: {place(found)} {again} "
        f"{place(twin)})",
        count=found.height,
        file=found["file"][0],
        row=found["row"][0],
        drops={near: drop},
    )
