"""The rules by which the values of one column become a typed one, for files that do not type them.

JSON and Parquet can hold anything in a column. Here every requested column becomes one of a
few plain kinds, and a value that does not fit is refused with its file and row: a value
turned silently into null or text would be a row lost without anybody knowing.

Used by `data.batches` for all columns of some rows, and by `data.formats.parquet` for those that
Parquet types more loosely than a kind does.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from burnish.data.conversation import MESSAGES, messages
from burnish.data.table import Kind, as_lists, bad_row, refuse_nul
from burnish.errors import DataFormatError
from burnish.signs import is_whole

MIXED = "mixes single labels with lists of labels"
MIXED_FIX = "write a list in every row (an empty one for no label), or a single label in every row"
_INT64 = 2**63


@dataclass(frozen=True, slots=True)
class Cells:
    """Values of one column as JSON or CSV gives them, and the rows of the file they stand in."""

    path: Path
    name: str
    kind: Kind
    rows: Sequence[int]
    values: Sequence[Any]

    def typed(self) -> pl.Series:
        """Return the values as a column of its kind.

        Raises:
            DataFormatError: BN202, a value does not fit; names file, row, column and value.
        """
        makers = {
            Kind.INPUT: self._input,
            Kind.LABELS: self._labels,
            Kind.ANSWERS: self._answers,
            Kind.PLAIN: self._plain,
        }
        make = makers.get(self.kind, self._text)
        try:
            return make(set(map(type, self.values)) - {type(None)})
        except UnicodeEncodeError:
            what = "holds bytes that are not text, or half of a surrogate pair"
            fix = "write the text again with a correct UTF-8 or JSON encoder"
            raise self._fault(_has_surrogate, what, fix) from None

    def _series(self, values: Sequence[Any], dtype: Any) -> pl.Series:
        return pl.Series(self.name, values, dtype=dtype)

    def _fault(self, is_wrong: Callable[[Any], bool], what: str, fix: str) -> DataFormatError:
        """Return the error for the row of the first wrong value."""
        row = next(r for r, v in zip(self.rows, self.values, strict=True) if is_wrong(v))
        return bad_row(self.path, row, f"column {self.name!r} {what}", fix)

    def _first(self, types: set[type]) -> Any:
        return next(value for value in self.values if type(value) in types)

    def _text(self, types: set[type]) -> pl.Series:
        if strange := types - {str}:
            what = f"holds {_shown(self._first(strange))} where a text is expected"
            fix = f"write it as a quoted text, or name another column in `{self.kind.key}`"
            raise self._fault(lambda v: type(v) in strange, what, fix)
        series = self._series(self.values, pl.String)
        refuse_nul(self.path, series, self.rows)
        return series

    def _input(self, types: set[type]) -> pl.Series:
        if list not in types:
            return self._text(types)
        made = []
        for row, value in zip(self.rows, self.values, strict=True):
            try:
                made.append(None if value is None else messages(value))
            except ValueError as err:
                what = f"column {self.name!r} {err}"
                fix = "write texts, or lists of messages with `role` and `content`"
                raise bad_row(self.path, row, what, fix) from err
        series = self._series(made, MESSAGES)
        said = series.list.eval(pl.element().struct.field("content")).list.join("")
        refuse_nul(self.path, said.rename(self.name), self.rows)
        return series

    def _answers(self, types: set[type]) -> pl.Series:
        fix = f"write each as a quoted text, or name another column in `{self.kind.key}`"
        if strange := types - {str, list}:
            what = (
                f"holds {_shown(self._first(strange))} where a text or a list of texts is expected"
            )
            raise self._fault(lambda v: type(v) in strange, what, fix)
        if list not in types:
            return as_lists(self._text(types))
        lists = [[v] if type(v) is str else v for v in self.values]
        strange_texts = [t for texts in lists for t in texts or () if type(t) is not str]
        if strange_texts:
            wrong = strange_texts[0]
            what = f"holds {'null' if wrong is None else _shown(wrong)} in a list of texts"
            raise self._fault(lambda v: type(v) is list and wrong in v, what, fix)
        series = self._series(lists, pl.List(pl.String))
        refuse_nul(self.path, series.list.join(""), self.rows)
        return series

    def _labels(self, types: set[type]) -> pl.Series:
        if float in types and any(map(_is_gap, self.values)):
            filled = [None if _is_gap(v) else v for v in self.values]
            return replace(self, values=filled).typed()
        if not types or types == {str}:
            return self._series(self.values, pl.String if types else pl.Null)
        if list not in types:
            made = [None if v is None else self._label(v, v) for v in self.values]
            return self._series(made, pl.String)
        if len(types) > 1:
            first = next(type(v) for v in self.values if v is not None)
            raise self._fault(
                lambda v: v is not None and (type(v) is list) != (first is list), MIXED, MIXED_FIX
            )
        names = [None if v is None else self._names(v) for v in self.values]
        # Polars takes long to make lists of Python's; distinct ones are few, so those are made.
        places: dict[tuple[str, ...] | None, int] = {}
        at = [places.setdefault(one, len(places)) for one in names]
        lists = [one if one is None else list(one) for one in places]
        return self._series(lists, pl.List(pl.String)).gather(at)

    def _names(self, cell: list[Any]) -> tuple[str, ...]:
        if {str}.issuperset(map(type, cell)):  # nearly all of them, and in a third of the time
            return tuple(cell)
        return tuple(self._label(one, cell) for one in cell)

    def _label(self, value: Any, cell: Any) -> str:
        """Return a label as text; `cell` is the value itself, or the list that it is in."""
        if (name := label_name(value)) is not None:
            return name
        what = f"holds {_shown(value)}, which is neither a label nor a list of labels"
        fix = "write each label as a name or a whole number, and several labels as one flat list"
        raise self._fault(lambda v: v is cell, what, fix)

    def _plain(self, types: set[type]) -> pl.Series:
        if nested := types & {list, dict}:
            what = f"holds {_shown(self._first(nested))} where one value is expected"
            fix = "flatten it, or name another column"
            raise self._fault(lambda v: type(v) in nested, what, fix)
        if float in types and any(map(_is_gap, self.values)):
            filled = [None if _is_gap(v) else v for v in self.values]
            return replace(self, values=filled).typed()
        if not types:
            return self._series(self.values, pl.Null)
        if types == {bool}:
            return self._series(self.values, pl.Boolean)
        fits = all(-_INT64 <= v < _INT64 for v in self.values if type(v) is int)
        if types == {int} and fits:
            return self._series(self.values, pl.Int64)
        if types <= {int, float} and fits:
            numbers = [None if v is None else float(v) for v in self.values]
            return self._series(numbers, pl.Float64)
        return self._series([None if v is None else _text_of(v) for v in self.values], pl.String)


def typed(path: Path, series: pl.Series, kind: Kind, rows: pl.Series) -> pl.Series:
    """Return a column of a typed file by the rules for the values of an untyped one.

    Raises:
        DataFormatError: BN202, a value does not fit; names file, row, column and value.
    """
    return Cells(path, series.name, kind, rows.to_list(), series.to_list()).typed()


def label_name(value: Any) -> str | None:
    """Return a label as text, the same whatever the format of its file; None: it is no label.

    Whole numbers may be written as floats or decimals, as tables do with columns that have gaps.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return None


def as_texts(series: pl.Series) -> pl.Series:
    """Return one value a row as text, the same whatever the format and the rows beside it.

    So 1, 1.0 and "1" are one group, as they are one label.
    """
    if series.dtype.is_float() or series.dtype.is_decimal():
        texts = [None if v is None else _text_of(v) for v in series]
        return pl.Series(series.name, texts, dtype=pl.String)
    return series.cast(pl.String)


def _text_of(value: Any) -> str:
    return str(value) if (name := label_name(value)) is None else name


def _is_gap(value: Any) -> bool:
    """Whether a value is the NaN by which tables of numbers say that one is missing."""
    return type(value) is float and math.isnan(value)


def _has_surrogate(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(map(_has_surrogate, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and not is_whole(value)


def _shown(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    kind = kinds.get(type(value), "the text" if type(value) is str else "the number")
    text = str(value)
    return f"{kind} {text if len(text) <= 40 else text[:39] + '…'}"  # noqa: PLR2004
