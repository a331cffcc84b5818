"""Read Parquet. Row numbers count records from 1."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import polars as pl

from burnish.data.batches import fitting
from burnish.data.columns import typed
from burnish.data.conversation import as_messages
from burnish.data.streams import binary_stream, compression_of
from burnish.data.table import (
    BATCH_ROWS,
    ROW,
    TEXTS,
    DataFile,
    Faults,
    Kind,
    Table,
    as_lists,
    bad_row,
    refuse_nul,
    require_columns,
)
from burnish.errors import ColumnError, DataFormatError


def read(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the requested columns.

    Raises:
        DataFormatError: BN202, not a whole Parquet file, or a value that does not fit: a fault of
            its row.
        ColumnError: BN204, a requested column is missing or of a type that does not fit.
    """
    for start, frame in frames(file.path, file.columns):
        rows = pl.Series(ROW, range(start + 1, start + frame.height + 1), dtype=pl.Int64)
        yield Table(frame=_kept(file, frame, rows, faults), rows_in=frame.height)


def _typed(file: DataFile, frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    made = [_column(file.path, frame[name], kind, rows) for name, kind in file.columns.items()]
    return pl.DataFrame([*made, rows])


def _kept(
    file: DataFile, frame: pl.DataFrame, rows: pl.Series, faults: Faults | None
) -> pl.DataFrame:
    """Return the rows whose values fit, typed; take down those that do not."""
    try:
        return _typed(file, frame, rows)
    except DataFormatError:
        if faults is None:
            raise
    fit = fitting(rows.to_list(), lambda part: _typed(file, frame[part], rows[part]), faults)
    places = pl.Series(fit, dtype=pl.Int64)
    return _typed(file, frame.select(pl.all().gather(places)), rows.gather(places))


def frames(
    path: Path, columns: Mapping[str, Kind] | None = None
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Yield some rows after others, each with how many stand before them; null: all columns.

    Raises:
        DataFormatError: BN202, not a whole Parquet file. ColumnError: BN204, a column is missing.
    """
    with binary_stream(path) as stream:
        # From a path Polars maps the file; an archive has to be unpacked first.
        source = stream.read() if compression_of(path) else path
        try:
            names = list(pl.read_parquet_schema(source))
            require_columns(path, columns or {}, names)
            table = pl.scan_parquet(source).select(names if columns is None else list(columns))
            height = table.select(pl.len()).collect().item()
            for start in range(0, max(height, 1), BATCH_ROWS):
                yield start, table.slice(start, BATCH_ROWS).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as err:
            what = f"not a whole Parquet file: {(str(err) or type(err).__name__).splitlines()[0]}"
            raise bad_row(path, None, what, "write or copy the file again") from err


def _column(path: Path, series: pl.Series, kind: Kind, rows: pl.Series) -> pl.Series:
    if isinstance(series.dtype, pl.Array):
        series = series.arr.to_list()
    dtype = series.dtype
    if kind is Kind.LABELS:
        return _labels(path, series, rows)
    if kind is Kind.ANSWERS:
        return _answers(path, series, rows)
    if kind is Kind.INPUT and isinstance(dtype, pl.List):
        return as_messages(typed(path, series, kind, rows))  # of gaps alone come texts
    if kind in TEXTS:
        if not _is_text(dtype):
            raise _wrong_type(path, series, "a text")
        series = series.cast(pl.String)
        refuse_nul(path, series, rows)
    if dtype.is_nested():
        raise _wrong_type(path, series, "one value a row")
    if dtype.is_float():
        return series.fill_nan(None)  # by which tables of numbers say that one is missing
    return series.cast(pl.String) if isinstance(dtype, pl.Categorical | pl.Enum) else series


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null)


def _is_label(dtype: pl.DataType) -> bool:
    return _is_text(dtype) or dtype.is_numeric() or isinstance(dtype, pl.Boolean)


def _labels(path: Path, series: pl.Series, rows: pl.Series) -> pl.Series:
    dtype = series.dtype
    inner = cast("pl.DataType", dtype.inner if isinstance(dtype, pl.List) else dtype)
    if not _is_label(inner):
        raise _wrong_type(path, series, "a label or a list of labels")
    if isinstance(dtype, pl.Null):
        return series
    if isinstance(dtype, pl.List):
        _refuse_gaps(path, series, rows, "a list with an empty label")
    if inner.is_float() or inner.is_decimal():
        return typed(path, series, Kind.LABELS, rows)
    return series.cast(pl.List(pl.String) if isinstance(dtype, pl.List) else pl.String)


def _answers(path: Path, series: pl.Series, rows: pl.Series) -> pl.Series:
    inner = series.dtype.inner if isinstance(series.dtype, pl.List) else series.dtype
    if not _is_text(cast("pl.DataType", inner)):
        raise _wrong_type(path, series, "a text or a list of texts")
    lists = as_lists(series)
    _refuse_gaps(path, lists, rows, "null in a list of texts")
    refuse_nul(path, lists.list.join(""), rows)
    return lists


def _refuse_gaps(path: Path, lists: pl.Series, rows: pl.Series, held: str) -> None:
    gap = lists.list.eval(pl.element().is_null()).list.any().fill_null(value=False)
    if gap.any():
        row = int(rows[gap.arg_max() or 0])
        what = f"column {lists.name!r} holds {held}"
        raise bad_row(path, row, what, "remove the null from the list")


def _wrong_type(path: Path, series: pl.Series, expected: str) -> ColumnError:
    return ColumnError(
        f"column {series.name!r} holds {series.dtype}, not {expected}",
        where=str(path),
        fix="name another column in the recipe, or write the file with that type",
    )
