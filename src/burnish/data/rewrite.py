"""Some rows of a data file as a new file of the same format: each row as it stood, nothing added.

The readers give columns; here whole rows pass through, with columns that nobody asked for.

Called by `pipeline.deduplication`, `pipeline.selecting` and `pipeline.splitting`.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from burnish.data.formats.delimited import records_of
from burnish.data.readers import format_of
from burnish.data.streams import binary_stream, compression_of, text_stream
from burnish.errors import DataFormatError
from burnish.files import atomic_path, atomic_writer

_KEPT = "burnish:kept"  # a column of marks; a name no data file is likely to use
_CRLF = "\r\n"
_HALF_PAIR = re.compile("[\ud800-\udfff]")

_Record = TypeVar("_Record")
_Writer = Callable[[Path, Path, Iterator[int], str], None]


def part_name(part: str, file: str, number: int, *, of: int) -> str:
    """Return what the rows of one of several files of a part are called as a new file."""
    mark = "" if of == 1 else f"-{number:05d}"
    return f"{part}{mark}.{format_of(Path(file))}"


def rewrite(path: Path, out: Path, rows: Iterable[int], *, encoding: str = "utf-8") -> None:
    """Write some rows of a file to `out`, in their order, uncompressed and in UTF-8.

    Neither the file nor the rows are held, except those of a JSON list, which is read as a whole.

    Args:
        path: a file that the readers have read, or read at the same time, without a fault.
        out: the new file; its format is that of `path`.
        rows: record numbers from 1, as the readers count them, ascending; taken one by one while
            the file is read.
        encoding: of the text file.

    Raises:
        DataFormatError: BN202, there is no such format.
        StorageError: BN402, it cannot be written.
    """
    kind = format_of(path)
    if kind not in _WRITERS:
        raise DataFormatError(
            f"rows of .{kind} files cannot be copied",
            where=str(path),
            fix=f"use one of .{', .'.join(_WRITERS)}",
        )
    _WRITERS[kind](path, out, iter(rows), encoding)


def _chosen(records: Iterable[_Record], rows: Iterator[int]) -> Iterator[_Record]:
    """Yield the records whose number, from 1, is one of `rows`."""
    wanted = next(rows, None)
    for number, record in enumerate(records, 1):
        if number == wanted:
            yield record
            wanted = next(rows, None)
        if wanted is None:
            return


def _lines(path: Path, out: Path, rows: Iterator[int], encoding: str) -> None:
    with text_stream(path, encoding=encoding) as stream, atomic_writer(out) as file:
        for line in _chosen(stream, rows):
            file.write(line.rstrip("\r\n").encode() + b"\n")


def _list(path: Path, out: Path, rows: Iterator[int], encoding: str) -> None:
    with text_stream(path, encoding=encoding) as stream:
        records = json.load(stream)
    written = json.dumps(list(_chosen(records, rows)), ensure_ascii=False, indent=1)
    # Half a surrogate pair, in a column that nobody asked for, can stand in a file as \udXXX alone.
    escaped = _HALF_PAIR.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
    with atomic_writer(out) as file:
        file.write(escaped.encode() + b"\n")


def _delimited(delimiter: str) -> _Writer:
    def write(path: Path, out: Path, rows: Iterator[int], encoding: str) -> None:
        with text_stream(path, encoding=encoding) as stream, atomic_writer(out) as file:
            text = io.StringIO(newline="")
            # It quotes characters of its line end: a lone \r in a cell would end a line too.
            writer = csv.writer(text, delimiter=delimiter, lineterminator=_CRLF)
            records = records_of(path, csv.reader(stream, delimiter=delimiter, strict=True))
            header = next(records, [])
            for record in chain([header], _chosen(records, rows)):
                writer.writerow(record)
                file.write(text.getvalue().removesuffix(_CRLF).encode() + b"\n")
                text.seek(0)
                text.truncate()

    return write


def _parquet(path: Path, out: Path, rows: Iterator[int], encoding: str) -> None:  # noqa: ARG001
    with binary_stream(path) as stream:
        source = stream.read() if compression_of(path) else path
        table = pl.scan_parquet(source)
        # A bit a row, beside the table: Polars then copies it piece by piece.
        kept = np.zeros(table.select(pl.len()).collect().item(), np.bool_)
        for row in rows:
            kept[row - 1] = True
        marked = pl.concat([table, pl.LazyFrame({_KEPT: kept})], how="horizontal")
        with atomic_path(out, pl.exceptions.PolarsError) as temporary:
            marked.filter(_KEPT).drop(_KEPT).sink_parquet(temporary)


def write_parquet(path: Path, frame: pl.DataFrame) -> None:
    """Write a frame, whole or not at all. Raises StorageError, BN402, where it cannot be."""
    held = io.BytesIO()  # Polars would write past a Python file, and tell a full disk its own way
    frame.write_parquet(held)
    with atomic_writer(path) as file:
        file.write(held.getbuffer())


_WRITERS: Mapping[str, _Writer] = {
    "jsonl": _lines,
    "ndjson": _lines,
    "txt": _lines,
    "json": _list,
    "csv": _delimited(","),
    "tsv": _delimited("\t"),
    "parquet": _parquet,
}
