"""A data file as typed columns, and the rules by which values become columns.

JSON and Parquet can hold anything in a column. Here every requested column becomes one of
three plain kinds, and a value that does not fit is refused with its file and row: a value
turned silently into null or text would be a row lost without anybody knowing.

Used by `burnish.data.formats`; `burnish.data.load` turns the result into canonical rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

import polars as pl

from burnish.errors import ColumnError, DataFormatError

_INT64 = 2**63
NUL = "\x00"
ROW = "burnish:row"  # column of record numbers; a name no data file is likely to use


class Kind(Enum):
    """What a column is for, which decides the values it may hold."""

    TEXT = "text"  # String
    LABELS = "labels"  # String (one label a row) or List(String)
    PLAIN = "plain"  # one scalar a row, of any scalar type


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The requested columns of one file, plus `ROW` (1-based record number, Int64)."""

    frame: pl.DataFrame
    rows_in: int  # records in the file, blank lines included
    dropped: dict[str, int] = field(default_factory=dict)  # reason → records


def bad_row(path: Path, row: int | None, what: str, fix: str) -> DataFormatError:
    """Return the error for one record of a file; `row` is 1-based, None for the whole file."""
    where = str(path) if row is None else f"{path}, row {row}"
    return DataFormatError(what, where=where, fix=fix)


def require_columns(path: Path | str, wanted: Iterable[str], present: Sequence[str]) -> None:
    """Raise ColumnError (BN204) for the first wanted column that is not present, or is there twice.

    The near name is offered, because most missing columns are a matter of spelling.
    """
    for name in wanted:
        if name not in present:
            near = get_close_matches(name, present, n=1, cutoff=0.5)
            raise ColumnError(
                f"no column is called {name!r}; the file has {_listed(present)}",
                where=str(path),
                fix="set `data.text`, `data.label` and the other column keys to names in the file"
                + (f"; did you mean {near[0]!r}?" if near else ""),
            )
        if list(present).count(name) > 1:
            raise ColumnError(
                f"column {name!r} is there {list(present).count(name)} times",
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
            self._parts[name].append(typed(self._path, name, kind, rows, values[name]))
        self._rows.append(pl.Series(ROW, rows, dtype=pl.Int64))

    def frame(self) -> pl.DataFrame:
        """Return all batches as one frame, `ROW` last."""
        rows = pl.concat(self._rows) if self._rows else pl.Series(ROW, [], dtype=pl.Int64)
        joined = [self._joined(name) for name in self._kinds]
        return pl.DataFrame([*joined, rows])

    def _joined(self, name: str) -> pl.Series:
        parts = self._parts[name]
        types = {part.dtype for part in parts} - {pl.Null()}
        if len(types) > 1 and self._kinds[name] is Kind.LABELS:
            raise self._changed_shape(name)
        target = _common_type(types)
        return pl.concat([part.cast(target) for part in parts]) if parts else pl.Series(name, [])

    def _changed_shape(self, name: str) -> DataFormatError:
        first = next(p.dtype for p in self._parts[name] if p.dtype != pl.Null())
        pairs = zip(self._parts[name], self._rows, strict=True)
        part, rows = next((p, r) for p, r in pairs if p.dtype not in (first, pl.Null()))
        row = int(rows.filter(part.is_not_null())[0])
        return _mixed_labels(self._path, name, row)


def _common_type(types: set[pl.DataType]) -> pl.DataType:
    if len(types) == 1:
        return next(iter(types))
    if types == {pl.Int64(), pl.Float64()}:
        return pl.Float64()
    return pl.String()


def typed(
    path: Path, name: str, kind: Kind, rows: Sequence[int], values: Sequence[Any]
) -> pl.Series:
    """Return values read from JSON or CSV as one column of the given kind.

    Raises:
        DataFormatError: BN202, a value does not fit; names file, row, column and value.
    """
    make = {Kind.TEXT: _text, Kind.LABELS: _labels, Kind.PLAIN: _plain}[kind]
    try:
        return make(path, name, rows, values)
    except UnicodeEncodeError:
        row = next(r for r, v in zip(rows, values, strict=True) if _has_surrogate(v))
        raise bad_row(
            path,
            row,
            f"column {name!r} holds half of a surrogate pair, which is no character",
            "write the text again with a correct UTF-8 or JSON encoder",
        ) from None


def _text(path: Path, name: str, rows: Sequence[int], values: Sequence[Any]) -> pl.Series:
    if strange := set(map(type, values)) - {str, type(None)}:
        row, value = next((r, v) for r, v in zip(rows, values, strict=True) if type(v) in strange)
        raise bad_row(
            path,
            row,
            f"column {name!r} holds {_shown(value)} where a text is expected",
            "write it as a quoted text, or name another column in `data.text`",
        )
    series = pl.Series(name, values, dtype=pl.String)
    refuse_nul(path, series, rows)
    return series


def refuse_nul(path: Path, series: pl.Series, rows: Sequence[int] | pl.Series) -> None:
    """Raise DataFormatError (BN202) when a text holds the NUL character; names file and row."""
    nul = series.str.contains(NUL, literal=True).fill_null(value=False)
    if nul.any():
        place = nul.arg_max()
        raise bad_row(
            path,
            int(rows[place or 0]),
            f"column {series.name!r} holds a NUL character",
            "remove it, for instance with `tr -d '\\000'`; it is a sign of a damaged export",
        )


def _labels(path: Path, name: str, rows: Sequence[int], values: Sequence[Any]) -> pl.Series:
    types = set(map(type, values)) - {type(None)}
    if not types:
        return pl.Series(name, [None] * len(values), dtype=pl.Null)
    if list in types:
        if len(types) > 1:
            full = [
                (r, type(v) is list) for r, v in zip(rows, values, strict=True) if v is not None
            ]
            raise _mixed_labels(path, name, next(r for r, shape in full if shape != full[0][1]))
        pairs = zip(rows, values, strict=True)
        lists = [None if v is None else _label_list(path, name, r, v) for r, v in pairs]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    if types == {str}:
        return pl.Series(name, values, dtype=pl.String)
    pairs = zip(rows, values, strict=True)
    names = [None if v is None else _label_name(path, name, r, v) for r, v in pairs]
    return pl.Series(name, names, dtype=pl.String)


def _label_list(path: Path, name: str, row: int, values: list[Any]) -> list[str]:
    return [v if type(v) is str else _label_name(path, name, row, v) for v in values]


def _label_name(path: Path, name: str, row: int, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # a column of whole numbers with gaps is often saved as floats
    raise bad_row(
        path,
        row,
        f"column {name!r} holds {_shown(value)}, which is neither a label nor a list of labels",
        "write each label as a name or a whole number, and several labels as one flat list",
    )


def _mixed_labels(path: Path, name: str, row: int) -> DataFormatError:
    return bad_row(
        path,
        row,
        f"column {name!r} mixes single labels with lists of labels",
        "write a list in every row (an empty one for no label), or a single label in every row",
    )


def _plain(path: Path, name: str, rows: Sequence[int], values: Sequence[Any]) -> pl.Series:
    types = set(map(type, values)) - {type(None)}
    if nested := types & {list, dict}:
        row, value = next((r, v) for r, v in zip(rows, values, strict=True) if type(v) in nested)
        raise bad_row(
            path,
            row,
            f"column {name!r} holds {_shown(value)} where one value is expected",
            "flatten it, or name another column",
        )
    if not types:
        return pl.Series(name, [None] * len(values), dtype=pl.Null)
    if types == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if types == {int} and all(v is None or -_INT64 <= v < _INT64 for v in values):
        return pl.Series(name, values, dtype=pl.Int64)
    if types <= {int, float} and float in types:
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    texts = [v if v is None or type(v) is str else str(v) for v in values]
    return pl.Series(name, texts, dtype=pl.String)


def _has_surrogate(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(t, str) and any("\ud800" <= c <= "\udfff" for c in t) for t in texts)


def _shown(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "a truth value", type(None): "null"}
    text = str(value)
    shown = text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004
    return (
        f"{kinds.get(type(value), 'the number' if type(value) is not str else 'the text')} {shown}"
    )
