"""Some rows of a file as typed columns, and all batches of a file as one table.

Where a caller takes faults down, a row with a value that does not fit is left out and told, and
the rows around it are kept.

Used by `data.formats`, which read batches, and by whoever wants a file as a whole.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from burnish.data.columns import MIXED, MIXED_FIX, Cells, as_texts
from burnish.data.conversation import MESSAGES, as_messages
from burnish.data.table import ROW, DataFile, Fault, Faults, Kind, Table, bad_row
from burnish.errors import DataFormatError


def batch(
    file: DataFile,
    rows: Sequence[int],
    values: Mapping[str, Sequence[Any]],
    faults: Faults | None = None,
) -> pl.DataFrame:
    """Return some rows of a file as typed columns, `ROW` last.

    Args:
        file: which columns are wanted of it; its path is told in errors.
        rows: record numbers, shape (n,).
        values: column → n values as the file has them.
        faults: takes down rows with a value that does not fit, which are then left out.

    Raises:
        DataFormatError: BN202, a value does not fit its column's kind; names file and row.
    """
    try:
        return _typed(file, rows, values)
    except DataFormatError:
        if faults is None:
            raise

    def typed(part: slice) -> pl.DataFrame:
        return _typed(file, rows[part], {name: column[part] for name, column in values.items()})

    fit = fitting(rows, typed, faults)
    kept = {name: [column[at] for at in fit] for name, column in values.items()}
    return _typed(file, [rows[at] for at in fit], kept)


def _typed(
    file: DataFile, rows: Sequence[int], values: Mapping[str, Sequence[Any]]
) -> pl.DataFrame:
    made = [
        Cells(file.path, name, kind, rows, values[name]).typed()
        for name, kind in file.columns.items()
    ]
    return pl.DataFrame([*made, pl.Series(ROW, rows, dtype=pl.Int64)])


def fitting(rows: Sequence[int], typed: Callable[[slice], Any], faults: Faults) -> list[int]:
    """Return the places of rows whose values fit, found by halves; take down those that do not.

    Args:
        rows: record numbers, shape (n,).
        typed: types the values of the rows at some places; raises DataFormatError where one does
            not fit.
        faults: takes down the others.
    """

    def within(start: int, stop: int) -> list[int]:
        try:
            typed(slice(start, stop))
        except DataFormatError as err:
            if stop - start == 1:
                faults.append(Fault(rows[start], err.what))
                return []
            middle = (start + stop) // 2
            return within(start, middle) + within(middle, stop)
        return list(range(start, stop))

    return within(0, len(rows))


def joined(file: DataFile, tables: Iterable[Table]) -> Table:
    """Return the batches of one file as one table; a column has one type in all of it.

    Raises:
        DataFormatError: BN202, single labels in one batch and lists in another; names the row.
    """
    tables = list(tables)
    frames = [table.frame for table in tables]
    rows = pl.concat([f[ROW] for f in frames]) if frames else pl.Series(ROW, [], dtype=pl.Int64)
    columns = [_joined(file.path, frames, name, kind) for name, kind in file.columns.items()]
    frame = pl.DataFrame([*columns, rows])
    return Table(frame=frame, rows_in=sum(table.rows_in for table in tables))


def _joined(path: Path, frames: Sequence[pl.DataFrame], name: str, kind: Kind) -> pl.Series:
    parts = [frame[name] for frame in frames]
    types = {part.dtype for part in parts} - {pl.Null()}
    if len(types) > 1 and kind is Kind.LABELS:
        raise _changed_shape(path, frames, name)
    if kind is Kind.INPUT and MESSAGES in types:
        parts = [as_messages(part) for part in parts]
        types = {MESSAGES}
    number = types == {pl.Int64(), pl.Float64()}
    target = next(iter(types)) if len(types) == 1 else pl.Float64() if number else pl.String()
    made = [as_texts(part) if target == pl.String else part.cast(target) for part in parts]
    return pl.concat(made) if made else pl.Series(name, [])


def _changed_shape(path: Path, frames: Sequence[pl.DataFrame], name: str) -> DataFormatError:
    first = next(f[name].dtype for f in frames if f[name].dtype != pl.Null())
    other = next(f for f in frames if f[name].dtype not in (first, pl.Null()))
    row = int(other.filter(pl.col(name).is_not_null())[ROW][0])
    return bad_row(path, row, f"column {name!r} {MIXED}", MIXED_FIX)
