"""Divide rows into train, tune, validation and test so that no side knows another.

What must stay together is one unit: the rows of a group, near-duplicates, or one text with its
copies; a unit goes to one split, so splits are disjoint by construction. Which split is decided
by content and seed, never by position: the same rows in any order give the same splits.

Called after `burnish.data.integrity.parts`; the result goes to `burnish.data.integrity.splits`.
"""

from collections.abc import Iterable, Mapping

import polars as pl

from burnish.data.allocation import allocate
from burnish.data.dedupe import SIMILARITY, resembles, with_clusters
from burnish.data.keys import CLUSTER, KEY, group_keys, mixed, with_keys
from burnish.data.limit import limit_train
from burnish.data.reading import META
from burnish.data.timeline import cut_by_time
from burnish.errors import SplitError
from burnish.recipe.data import Data, Split
from burnish.records import LabelSpace, LedgerEntry, Space

ORDER = ("train", "tune", "validation", "test")

Parts = dict[str, pl.DataFrame]


def split_parts(
    parts: Parts, split: Split, data: Data, space: Space
) -> tuple[Parts, tuple[LedgerEntry, ...]]:
    """Return split → rows, in the order train, tune, validation, test, and the ledger entries.

    Validation is carved from train when none was given, test when neither was; tune when
    `split.tune` asks for it. Rows keep their order. `data.limit` is applied last, to train.

    Raises:
        SplitError: BN208, fewer units than splits, a column that the split needs is not set,
            classes asked for where answers are texts, or a time that cannot be read.
    """
    shares = _shares(parts, split)
    train, entries = parts["train"], []
    made = dict(parts)
    if len(shares) > 1:
        place = _places(train, split, data, space, shares)
        made |= {name: train.filter(place == name) for name in shares}
        _refuse_empty(made, shares, _method(split, data))
    for name, rows in parts.items():
        carved = {s: made[s].height for s in shares if s != "train"} if name == "train" else {}
        entries.append(
            LedgerEntry(
                stage="split", split=name, rows_in=rows.height, kept=made[name].height, moved=carved
            )
        )
    made = {name: made[name] for name in ORDER if name in made}
    if data.limit is not None:
        made["train"], entry = limit_train(made["train"], data.limit, space, seed=split.seed)
        entries.append(entry)
    return made, tuple(entries)


def apart_from(held: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return those of some rows that could be learned where others are judged.

    None of them is one of the others or of a group of theirs, or repeats the text of one, be it
    nearly.
    """
    known = held["text"].drop_nulls()
    kin = pl.Series(resembles(rows["text"], known, similarity=SIMILARITY))
    kin |= rows["id"].is_in(held["id"].implode())
    if "group" in rows.columns:
        kin |= rows["group"].is_in(held["group"].drop_nulls().implode()).fill_null(value=False)
    return rows.filter(~kin)


def _shares(parts: Parts, split: Split) -> dict[str, float]:
    """Return what is carved from the train part: split → share of its rows, summing to 1."""
    carved = () if "validation" in parts else ("validation", "test")
    shares = {name: getattr(split, name) for name in carved if name not in parts}
    left = 1 - sum(shares.values())
    shares["tune"] = split.tune * left
    shares["train"] = left - shares["tune"]
    return {name: shares[name] for name in ORDER if shares.get(name)}


def _method(split: Split, data: Data) -> str:
    if split.by != "auto":
        return split.by
    return "group" if data.group else "time" if data.time else "cluster"


def _places(
    train: pl.DataFrame, split: Split, data: Data, space: Space, shares: Mapping[str, float]
) -> pl.Series:
    """Return the split of each train row, shape (n,)."""
    method, has_classes = _method(split, data), isinstance(space, LabelSpace)
    if method == "stratified" and not has_classes:
        raise SplitError(
            "rows cannot be stratified: their answers are texts, not classes",
            where="recipe key `split.by`",
            fix="set `split.by: auto`",
        )
    column = {"group": data.group, "time": data.time}.get(method, "")
    if column is None:
        raise SplitError(
            f"rows cannot be split by {method} without a column that tells it",
            where="recipe key `split.by`",
            fix=f"set `data.{method}` to a column, or `split.by: auto`",
        )
    if method == "time":
        return cut_by_time(train, f"{META}{data.time}", shares)
    keyed = with_clusters({"train": train})["train"] if method == "cluster" else with_keys(train)
    unit = (
        group_keys(keyed) if method == "group" else keyed[CLUSTER if method == "cluster" else KEY]
    )
    rows = pl.DataFrame({"unit": unit}).with_columns(
        order=pl.Series(mixed(unit.to_numpy(), split.seed)),
        labels=train["labels"]
        if has_classes and method != "random"
        else pl.lit([], pl.List(pl.String)),
    )
    table = allocate(rows, shares)
    return unit.replace_strict(table["unit"], table["split"])


def _refuse_empty(made: Parts, shares: Iterable[str], method: str) -> None:
    empty = [name for name in shares if made[name].is_empty()]
    if empty:
        rows = sum(made[name].height for name in shares)
        raise SplitError(
            f"{rows} training rows are too few to give {', '.join(shares)} something each "
            f"when split by {method}; {', '.join(empty)} would be empty",
            where="recipe section `split`",
            fix="give more rows or smaller groups, set the share of that split to 0, or choose "
            "another `split.by`",
        )
