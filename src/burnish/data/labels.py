"""Raw labels → names: what the classes are, and which of them each row has.

A raw label is a name or a whole number; numbers are positions in `task.labels` unless the
names are numbers themselves. A number may be written as 1.0, unless a name is. A label that is
neither is kept as it is, so that the check `unknown-label` can count it and name its row.

Called after `burnish.data.load`. The distinct values of the column are few, so each is settled
once in plain Python and joined back; a million rows cost one join.
"""

import json
import re
from collections.abc import Mapping
from typing import cast
from unicodedata import normalize

import polars as pl

from burnish.data.columns import label_name
from burnish.errors import ColumnError, DataFormatError, LabelError
from burnish.recipe.classification import ClassificationTask
from burnish.records import LabelSpace

KEY = "burnish:key"  # column of `label_keys`; like the next, a name no data file is likely to use
STANDS_FOR = "burnish:stands_for"  # column: how many rows a row stands for; absent: one
_BETWEEN = "\x1f"  # joins the labels of a list into one key; refused inside labels below
_LISTS = pl.List(pl.String)
_WHOLE = re.compile(r"(\d+)\.0+")
_MOST_DIGITS = 19
_MANY = 50  # distinct labels from which "nearly every row its own" means a wrong column

Parts = dict[str, pl.DataFrame]


def settle_labels(
    task: ClassificationTask, parts: Parts, *, label_column: str
) -> tuple[LabelSpace, Parts]:
    """Return the classes, and the parts with `labels` (List(String) | null) for `raw_label`.

    Labels of a row are distinct and in the order of the classes, unknown ones last. A
    multi-label row without a label has []; a row whose label is missing has null.

    Args:
        task: names, order, `multi_label` and `collapse` as the recipe has them.
        parts: canonical rows with raw labels, as `burnish.data.load` makes them; or each raw label
            once, with `STANDS_FOR`. The part train, where there is one, has to hold two classes,
            and names them where the recipe does not; without it all parts name them.
        label_column: the column's name in the files, for error messages.

    Raises:
        LabelError: BN206, one class only, lists where one label is asked, or as many labels as
            rows.
        ColumnError: BN204, single labels in one part and lists in another.
    """
    parts, is_list = _lists(task, parts, label_column)
    multi_label = is_list if task.multi_label is None else task.multi_label
    if task.collapse and not multi_label:
        raise LabelError(
            "`collapse` needs rows with any number of labels, but each has exactly one",
            where=f"recipe key `task.collapse`, column {label_column!r}",
            fix="set `task.multi_label: true`, or leave `collapse` out",
        )
    learned = parts.get("train")  # none: rows for a model that has learned
    naming = pl.concat(parts.values()) if learned is None else learned
    names = task.labels or _names_in(naming, label_column)
    settled = {name: _settled(frame, names, task, label_column) for name, frame in parts.items()}
    if not multi_label:
        for name, frame in parts.items():
            _refuse_lists(frame, settled[name]["labels"], label_column)
    space = _space(task, names, multi_label=multi_label)
    if learned is not None:
        refuse_one_class(space, settled["train"], label_column)
    return space, settled


def _named(raw: list[str], names: tuple[str, ...], task: ClassificationTask) -> list[str]:
    """Return distinct names in order, unknown labels as they are, after `collapse`."""
    order = {name: place for place, name in enumerate(names)}
    # Names that are numbers leave no room for positions: a 0 beside 1 to 5 is no label at all.
    places = names if not any(map(_is_whole, names)) else ()
    found = {_name(label, places, order) if task.labels else label for label in raw}
    unknown = sorted(found - order.keys())
    if not task.collapse:
        return [*sorted(found & order.keys(), key=order.__getitem__), *unknown]
    return unknown or [task.collapse.positive if found else task.collapse.negative]


def _name(label: str, places: tuple[str, ...], order: Mapping[str, int]) -> str:
    """Return the name of a label, which may be the position of one in `places`."""
    for form in (label, _as_json(label)):
        if form in order:
            return form
        if _is_whole(form) and int(form) < len(places):
            return places[int(form)]
    return label


def _is_whole(label: str) -> bool:
    """Whether a label is a whole number, of no more digits than an integer of 64 bits has."""
    return label.isdecimal() and len(label) <= _MOST_DIGITS


def _as_json(label: str) -> str:
    """Return 1 for a cell with 1.0, and true for True: CSV as tables write it."""
    whole = _WHOLE.fullmatch(label)
    return whole[1] if whole else label.lower() if label in ("True", "False") else label


def _lists(task: ClassificationTask, parts: Parts, column: str) -> tuple[Parts, bool]:
    """Return parts whose raw labels are List(String), and whether the files hold lists."""
    full = {name: f["raw_label"].dtype for name, f in parts.items() if f["raw_label"].count()}
    shapes = {isinstance(dtype, pl.List): name for name, dtype in full.items()}
    if len(shapes) > 1:
        raise ColumnError(
            f"column {column!r} holds lists in {shapes[True]} and single labels in {shapes[False]}",
            where=f"parts {shapes[True]} and {shapes[False]}",
            fix="write lists in both, or single labels in both",
        )
    if not shapes:
        raise LabelError(
            f"column {column!r} is empty in every row",
            where=f"parts {', '.join(parts)}",
            fix="name the column with the labels in `data.label`",
        )
    if True in shapes:
        gap, lists = pl.lit(None, _LISTS), pl.col("raw_label").cast(_LISTS)
        as_lists = {n: lists if n in full else gap.alias("raw_label") for n in parts}
        return {n: f.with_columns(as_lists[n]) for n, f in parts.items()}, True
    # An empty cell is no label in a multi-label CSV, and a gap otherwise.
    empty: list[str] | None = [] if task.multi_label else None
    if task.multi_label is not False and _looks_like_lists(parts):
        return {n: _parsed_lists(f, column, empty) for n, f in parts.items()}, True
    single = pl.col("raw_label").cast(pl.String)
    wrapped = (
        pl.when(single.fill_null("") == "")
        .then(pl.lit(empty, _LISTS))
        .otherwise(pl.concat_list(single))
    )
    return {n: f.with_columns(wrapped.alias("raw_label")) for n, f in parts.items()}, False


def _looks_like_lists(parts: Parts) -> bool:
    """Whether every cell with text is a list written out, as CSV files hold them."""
    cells = pl.concat([_cells(f).drop_nulls() for f in parts.values()])
    return cells.len() > 0 and bool(cells.str.contains(r"^\s*\[.*\]\s*$").all())


def _cells(frame: pl.DataFrame) -> pl.Series:
    """Return raw labels as text, empty ones as null."""
    return frame["raw_label"].cast(pl.String).replace("", None)


def _parsed_lists(frame: pl.DataFrame, column: str, empty: list[str] | None) -> pl.DataFrame:
    cells = _cells(frame)
    lists = {cell: _parsed_list(cell) for cell in cells.unique().drop_nulls()}
    bad = [cell for cell, made in lists.items() if made is None]
    if bad:
        first = frame.filter(cells == bad[0]).row(0, named=True)
        raise DataFormatError(
            f"column {column!r} holds {bad[0][:40]!r}, which is no list of labels",
            where=f"{first['file']}, row {first['row']}",
            fix='write a JSON list, such as ["a", "b"] or [0, 3]',
        )
    made = [lists.get(cell, empty) for cell in cells]
    return frame.with_columns(pl.Series("raw_label", made, dtype=_LISTS))


def _parsed_list(cell: str) -> list[str] | None:
    for text in (cell, cell.replace("'", '"')):  # the second is how Python writes a list of names
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            continue
        names = [label_name(value) for value in values]
        return None if None in names else cast("list[str]", names)
    return None


def _names_in(train: pl.DataFrame, column: str) -> tuple[str, ...]:
    labels = train["raw_label"].drop_nulls().explode().drop_nulls().unique()
    found = labels.filter(labels != "").to_list()
    if len(found) > _MANY and len(found) > _rows(train) / 2:
        raise LabelError(
            f"column {column!r} has {len(found)} distinct labels in {_rows(train)} rows",
            where="the training rows",
            fix="name the column with the labels in `data.label`, or list them in `task.labels`",
        )
    _refuse_twins(found, column)
    if all(map(_is_whole, found)):  # by the text too: 1 and 01 are one number
        return tuple(sorted(found, key=lambda name: (int(name), name)))
    return tuple(sorted(found))


def _refuse_twins(names: list[str], column: str) -> None:
    """Raise LabelError (BN206) for names that look alike: they would be classes of their own."""
    seen: dict[str, str] = {}
    for name in sorted(names):
        form = " ".join(normalize("NFC", name).split())
        if (twin := seen.setdefault(form, name)) != name:
            raise LabelError(
                f"the labels {twin!a} and {name!a} differ in white space or Unicode form alone",
                where=f"column {column!r} of the training rows",
                fix="write the label one way, or list both in `task.labels` if they are two",
            )


def _settled(
    frame: pl.DataFrame, names: tuple[str, ...], task: ClassificationTask, column: str
) -> pl.DataFrame:
    raw = frame["raw_label"]
    _refuse_separator(frame, column)
    key = label_keys(raw)
    distinct = pl.DataFrame({KEY: key, "raw": raw}).unique(KEY).drop_nulls(KEY)
    labels = [_named(raw, names, task) for raw in distinct["raw"].to_list()]
    table = distinct.select(KEY, pl.Series("labels", labels, dtype=_LISTS))
    joined = key.to_frame().join(table, on=KEY, how="left", maintain_order="left")
    return frame.drop("raw_label").insert_column(2, joined["labels"])


def label_keys(raw: pl.Series) -> pl.Series:
    """Return `KEY` (String | null): equal for equal raw labels."""
    if not isinstance(raw.dtype, pl.List):
        return raw.cast(pl.String).alias(KEY)
    # The length keeps [""] apart from [].
    key = pl.format("{}:{}", raw.list.len(), raw.cast(_LISTS).list.join(_BETWEEN))
    return pl.select(key.alias(KEY)).to_series()


def _rows(frame: pl.DataFrame) -> int:
    """Return how many rows of the files these are."""
    return int(frame[STANDS_FOR].sum()) if STANDS_FOR in frame.columns else frame.height


def _refuse_separator(frame: pl.DataFrame, column: str) -> None:
    flat = frame["raw_label"].drop_nulls().explode().drop_nulls()
    if flat.str.contains(_BETWEEN, literal=True).any():
        raise DataFormatError(
            f"column {column!r} holds a label with the control character U+001F",
            where="part with rows of " + ", ".join(frame["file"].unique().sort()[:3]),
            fix="write label names without control characters",
        )


def _refuse_lists(frame: pl.DataFrame, labels: pl.Series, column: str) -> None:
    wrong = frame.filter(labels.list.len() != 1)
    if wrong.height:
        first = wrong.row(0, named=True)
        raise LabelError(
            f"{_rows(wrong)} row(s) have no label or several in column {column!r}, "
            "but the task gives each row exactly one",
            where=f"first: {first['file']}, row {first['row']} has {len(first['raw_label'])}",
            fix="set `task.multi_label: true`, or correct the rows",
        )


def _space(task: ClassificationTask, names: tuple[str, ...], *, multi_label: bool) -> LabelSpace:
    if task.collapse:
        names, multi_label = task.names, False
    positive = None
    if len(names) == 2 and not multi_label:  # noqa: PLR2004
        positive = task.positive or (task.collapse.positive if task.collapse else names[-1])
        if positive not in names:
            raise LabelError(
                f"the positive class {positive!r} is not one of {', '.join(names)}",
                where="recipe key `task.positive`",
                fix=f"use {names[-1]!r}",
            )
    return LabelSpace(names=names, multi_label=multi_label, positive=positive)


def refuse_one_class(space: LabelSpace, train: pl.DataFrame, column: str) -> None:
    """Raise LabelError (BN206) when every training row has the same labels."""
    distinct = train["labels"].drop_nulls().list.join(_BETWEEN).unique()
    if distinct.len() < 2:  # noqa: PLR2004
        only = distinct[0].replace(_BETWEEN, ", ") if distinct.len() and distinct[0] else "no label"
        raise LabelError(
            f"every training row has the same answer: {only}",
            where=f"column {column!r} of the training rows ({_rows(train)} rows)",
            fix=f"give rows of at least two classes; the task has {', '.join(space.names)}",
        )
