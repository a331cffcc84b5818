"""A data file as typed columns, and the rules by which values become columns.

JSON and Parquet can hold anything in a column. Here every requested column becomes one of a
few plain kinds, and a value that does not fit is refused with its file and row: a value
turned silently into null or text would be a row lost without anybody knowing.

Used by `burnish.data.formats`; `burnish.data.load` turns the result into canonical rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

import polars as pl

from burnish.data.conversation import MESSAGES, is_messages, messages
from burnish.errors import ColumnError, DataFormatError

_INT64 = 2**63
NUL = "\x00"
_MIXED = "mixes single labels with lists of labels"
_MIXED_FIX = "write a list in every row (an empty one for no label), or a single label in every row"
ROW = "burnish:row"  # column of record numbers; a name no data file is likely to use


class Kind(Enum):
    """What a column is for, which decides the values it may hold."""

    TEXT = "text"  # String
    LABELS = "labels"  # String (one label a row) or List(String)
    INPUT = "input"  # String, or conversations as `data.conversation` has them; a task that writes
    ANSWERS = "answers"  # List(String): the accepted texts; a single text is a list of one
    PLAIN = "plain"  # one scalar a row, of any scalar type

    @property
    def key(self) -> str:
        """The recipe key that names a column of this kind; empty where several do."""
        return _KEYS.get(self, "")


_KEYS = {
    Kind.TEXT: "data.text",
    Kind.LABELS: "data.label",
    Kind.INPUT: "data.input",
    Kind.ANSWERS: "data.output",
}
TEXTS = (Kind.TEXT, Kind.INPUT)
WRITTEN = (Kind.INPUT, Kind.ANSWERS)  # of tasks that write


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The requested columns of one file, plus `ROW` (1-based record number, Int64)."""

    frame: pl.DataFrame
    rows_in: int  # records in the file, blank lines included

    @property
    def dropped(self) -> dict[str, int]:
        """Reason → records of the file that are not in the frame."""
        blank = self.rows_in - self.frame.height
        return {"blank-line": blank} if blank else {}


def bad_row(path: Path, row: int | None, what: str, fix: str) -> DataFormatError:
    """Return the error for one record of a file; `row` is 1-based, None for the whole file."""
    where = str(path) if row is None else f"{path}, row {row}"
    return DataFormatError(what, where=where, fix=fix)


def require_columns(path: Path | str, wanted: Mapping[str, Kind], present: Sequence[str]) -> None:
    """Raise ColumnError (BN204) for the first wanted column that is not present, or is there twice.

    The near name is offered, because most missing columns are a matter of spelling.
    """
    own = WRITTEN if set(wanted.values()) & {*WRITTEN} else (Kind.TEXT, Kind.LABELS)
    keys = ", ".join(f"`{kind.key}`" for kind in own)
    for name in wanted:
        if name not in present:
            near = get_close_matches(name, present, n=1, cutoff=0.5)
            raise ColumnError(
                f"no column is called {name!r}; the file has {_listed(present)}",
                where=str(path),
                fix=f"set {keys} and the other column keys to names in the file"
                + (f"; did you mean {near[0]!r}?" if near else ""),
            )
        if (times := list(present).count(name)) > 1:
            raise ColumnError(
                f"column {name!r} is there {times} times",
                where=str(path),
                fix="give each column its own name",
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return (shown or "no columns") + (", …" if len(names) > 12 else "")  # noqa: PLR2004


class Columns:
    """Collects values of the requested columns batch by batch and makes them one frame."""

    def __init__(self, path: Path, kinds: Mapping[str, Kind]) -> None:
        self._path = path
        self._kinds = kinds
        self._parts: dict[str, list[pl.Series]] = {name: [] for name in kinds}
        self._rows: list[pl.Series] = []

    def add(self, rows: Sequence[int], values: Mapping[str, Sequence[Any]]) -> None:
        """Append one batch: `rows` are record numbers, `values` one sequence a column.

        Raises:
            DataFormatError: BN202, a value does not fit its column's kind; names file and row.
        """
        for name, kind in self._kinds.items():
            batch = _Batch(self._path, name, kind, rows, values[name])
            self._parts[name].append(batch.typed())
        self._rows.append(pl.Series(ROW, rows, dtype=pl.Int64))

    def frame(self) -> pl.DataFrame:
        """Return all batches as one frame, `ROW` last."""
        rows = pl.concat(self._rows) if self._rows else pl.Series(ROW, [], dtype=pl.Int64)
        return pl.DataFrame([*map(self._joined, self._kinds), rows])

    def _joined(self, name: str) -> pl.Series:
        parts = self._parts[name]
        types = {part.dtype for part in parts} - {pl.Null()}
        if len(types) > 1 and self._kinds[name] is Kind.LABELS:
            raise self._changed_shape(name)
        if self._kinds[name] is Kind.INPUT and MESSAGES in types:
            parts = [as_messages(part) for part in parts]
            types = {MESSAGES}
        number = types == {pl.Int64(), pl.Float64()}
        target = next(iter(types)) if len(types) == 1 else pl.Float64() if number else pl.String()
        return pl.concat([part.cast(target) for part in parts]) if parts else pl.Series(name, [])

    def _changed_shape(self, name: str) -> DataFormatError:
        first = next(p.dtype for p in self._parts[name] if p.dtype != pl.Null())
        pairs = zip(self._parts[name], self._rows, strict=True)
        part, rows = next((p, r) for p, r in pairs if p.dtype not in (first, pl.Null()))
        row = int(rows.filter(part.is_not_null())[0])
        return bad_row(self._path, row, f"column {name!r} {_MIXED}", _MIXED_FIX)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Values of one column as JSON or CSV gives them, and the rows of the file they stand in."""

    path: Path
    name: str
    kind: Kind
    rows: Sequence[int]
    values: Sequence[Any]

    def typed(self) -> pl.Series:
        """Return the values as a column of the batch's kind.

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
            what = "holds half of a surrogate pair, which is no character"
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
        if not types or types == {str}:
            return self._series(self.values, pl.String if types else pl.Null)
        if list not in types:
            made = [None if v is None else self._label(v, v) for v in self.values]
            return self._series(made, pl.String)
        if len(types) > 1:
            first = next(type(v) for v in self.values if v is not None)
            raise self._fault(
                lambda v: v is not None and (type(v) is list) != (first is list), _MIXED, _MIXED_FIX
            )
        names = [None if v is None else tuple(self._label(x, v) for x in v) for v in self.values]
        # Polars takes long to make lists of Python's; distinct ones are few, so those are made.
        places: dict[tuple[str, ...] | None, int] = {}
        at = [places.setdefault(one, len(places)) for one in names]
        lists = [one if one is None else list(one) for one in places]
        return self._series(lists, pl.List(pl.String)).gather(at)

    def _label(self, value: Any, cell: Any) -> str:
        """Return a label as text; `cell` is the value itself, or the list that it is in."""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int):
            return str(value)
        if isinstance(value, float) and value.is_integer():
            return str(int(value))  # a column of whole numbers with gaps is often saved as floats
        what = f"holds {_shown(value)}, which is neither a label nor a list of labels"
        fix = "write each label as a name or a whole number, and several labels as one flat list"
        raise self._fault(lambda v: v is cell, what, fix)

    def _plain(self, types: set[type]) -> pl.Series:
        if nested := types & {list, dict}:
            what = f"holds {_shown(self._first(nested))} where one value is expected"
            fix = "flatten it, or name another column"
            raise self._fault(lambda v: type(v) in nested, what, fix)
        if not types:
            return self._series(self.values, pl.Null)
        if types == {bool}:
            return self._series(self.values, pl.Boolean)
        if types == {int} and all(v is None or -_INT64 <= v < _INT64 for v in self.values):
            return self._series(self.values, pl.Int64)
        if types <= {int, float} and float in types:
            numbers = [None if v is None else float(v) for v in self.values]
            return self._series(numbers, pl.Float64)
        texts = [v if v is None or type(v) is str else str(v) for v in self.values]
        return self._series(texts, pl.String)


def as_messages(series: pl.Series) -> pl.Series:
    """Return a column of texts as conversations of one message; conversations as they are."""
    if is_messages(series):
        return series
    made = [None if text is None else messages(text) for text in series]
    return pl.Series(series.name, made, dtype=MESSAGES)


def typed(path: Path, series: pl.Series, kind: Kind, rows: pl.Series) -> pl.Series:
    """Return a column of a typed file by the rules for the values of an untyped one.

    Raises:
        DataFormatError: BN202, a value does not fit; names file, row, column and value.
    """
    return _Batch(path, series.name, kind, rows.to_list(), series.to_list()).typed()


def as_lists(series: pl.Series) -> pl.Series:
    """Return List(String): each text as a list of one, null as null; lists as they are."""
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String))
    texts = series.cast(pl.String)
    return (
        pl.select(pl.when(texts.is_not_null()).then(pl.concat_list(texts)))
        .to_series()
        .rename(series.name)
    )


def refuse_nul(path: Path, series: pl.Series, rows: Sequence[int] | pl.Series) -> None:
    """Raise DataFormatError (BN202) when a text holds the NUL character; names file and row."""
    nul = series.str.contains(NUL, literal=True).fill_null(value=False)
    if nul.any():
        fix = "remove it, for instance with `tr -d '\\000'`; it is a sign of a damaged export"
        what = f"column {series.name!r} holds a NUL character"
        raise bad_row(path, int(rows[nul.arg_max() or 0]), what, fix)


def _has_surrogate(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(t, str) and any("\ud800" <= c <= "\udfff" for c in t) for t in texts)


def _shown(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    kind = kinds.get(type(value), "the text" if type(value) is str else "the number")
    text = str(value)
    return f"{kind} {text if len(text) <= 40 else text[:39] + '…'}"  # noqa: PLR2004
