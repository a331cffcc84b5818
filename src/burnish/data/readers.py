"""Which reader reads a data file: chosen by the file's suffix, .gz and .zst looked through.

A reader is a function `read(file, faults) -> Iterator[Table]`: some rows after others, so that a
file need not fit into memory. To add a format, write one and add a row to the table (or an entry
point `burnish.readers`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from burnish.data.batches import joined
from burnish.data.streams import compression_of
from burnish.data.table import DataFile, Faults, Table
from burnish.errors import DataFormatError, DataNotFoundError, EmptyDataError
from burnish.files import path_errors
from burnish.registry import Registry

Reader = Callable[[DataFile, Faults | None], Iterator[Table]]

READERS: Registry[Reader] = Registry(
    "reader",
    {
        "jsonl": "burnish.data.formats.json_objects:read_lines",
        "ndjson": "burnish.data.formats.json_objects:read_lines",
        "json": "burnish.data.formats.json_objects:read_list",
        "csv": "burnish.data.formats.delimited:read_csv",
        "tsv": "burnish.data.formats.delimited:read_tsv",
        "parquet": "burnish.data.formats.parquet:read",
        "txt": "burnish.data.formats.lines:read",
    },
    where="recipe key `data.from`",
)


def format_of(path: Path) -> str:
    """Return the format a file's name stands for: `train.jsonl.gz` → `jsonl`; "" without one."""
    return _unpacked(path).suffix.lower()[1:]


def stem_of(path: Path) -> str:
    """Return a file's name without what its format adds: `a.b.jsonl.gz` → `a.b`."""
    return _unpacked(path).stem


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if compression_of(path) else path


def read_file(file: DataFile) -> Table:
    """Return the requested columns of a data file.

    Args:
        file: .jsonl .ndjson .json .csv .tsv .parquet or .txt, also with .gz or .zst. A .txt file
            has a text column only.

    Raises:
        DataNotFoundError: BN201, no such file, or no right to read it.
        DataFormatError: BN202, not the format its name says; names file and row.
        ColumnError: BN204, a requested column is missing.
        EmptyDataError: BN205, it holds no record.
    """
    return joined(file, read_batches(file))


def read_batches(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the requested columns of a data file, some rows after others; see `read_file`.

    A column's type may differ between them, where the file does not type it. What is wrong with
    the whole, such as that it holds no record, is told at the end.

    Args:
        file: and which of its columns are wanted.
        faults: takes down records that cannot be read, which are then left out; None: the first
            of them is raised.
    """
    read = _reader_of(file.path)
    rows_in = rows = 0
    for table in read(file, faults):
        rows_in, rows = rows_in + table.rows_in, rows + table.frame.height
        yield table
    if not rows and not faults:
        raise EmptyDataError(
            "the file holds no rows" + (", only blank lines" if rows_in else ""),
            where=str(file.path),
            fix="give a file with at least one row",
        )


def _reader_of(path: Path) -> Reader:
    """Return what reads files of that name. Raises as `read_file` where there is none to read."""
    fix = "give the path of a data file in `data.from`, `data.train` or `data.test`"
    with path_errors(DataNotFoundError, where=str(path), fix=fix):
        is_file, is_there = path.is_file(), path.exists()
    if not is_file:
        what = "this is not a file" if is_there else "no such file"
        raise DataNotFoundError(what, where=str(path), fix=fix)
    kind = format_of(path)
    if kind not in READERS.names():
        raise DataFormatError(
            f"no reader for files ending in {path.suffix or 'nothing'!r}",
            where=str(path),
            fix=f"use one of .{', .'.join(READERS.names())}, each also with .gz or .zst",
        )
    return READERS.get(kind)
