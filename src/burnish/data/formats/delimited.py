"""Read CSV and TSV with a header line. Row numbers count data records, the header not.

Python's reader in strict mode rather than a faster one: it tells a ragged record, a stray quote
and a file that ends inside quotes, each with its record, where others fill in nulls.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from threading import Lock

from burnish.data.batches import batch
from burnish.data.streams import text_stream
from burnish.data.table import (
    BATCH_ROWS,
    NUL,
    TEXTS,
    DataFile,
    Fault,
    Faults,
    Kind,
    Table,
    bad_row,
    nul_fix,
    require_columns,
)

_LARGEST_FIELD = 1 << 28  # characters; the module's own limit of 131,072 is one long document
_LINE_END = re.compile(r"\r\n?|\n")
_FIELD_LIMIT = Lock()  # the limit is global to the csv module


def read_csv(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the requested columns of a comma-separated file; blank lines are dropped and counted.

    Empty cells are "" in a column of texts or of answers, and null in every other.

    Raises:
        DataFormatError: BN202, a record with too few or too many cells, or broken quoting.
        ColumnError: BN204, a requested column is not in the header.
    """
    return _read(file, ",", faults)


def read_tsv(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the requested columns of a tab-separated file; see `read_csv`."""
    return _read(file, "\t", faults)


def _read(file: DataFile, delimiter: str, faults: Faults | None) -> Iterator[Table]:
    total = 0
    with text_stream(file.path, encoding=file.encoding, by_row=faults is not None) as stream:
        records = records_of(file.path, csv.reader(stream, delimiter=delimiter, strict=True))
        header = next(records, [])
        if not header:
            return
        require_columns(file.path, file.columns, header)
        places = {name: header.index(name) for name in file.columns}
        while some := list(islice(records, BATCH_ROWS)):
            full = {row: record for row, record in enumerate(some, total + 1) if record}
            total += len(some)
            full = _without_faults(file.path, len(header), full, delimiter, faults)
            values = {}
            for name, at in places.items():
                empty = "" if file.columns[name] in (*TEXTS, Kind.ANSWERS) else None
                values[name] = [record[at] or empty for record in full.values()]
            frame = batch(file, list(full), values, faults)
            yield Table(frame=frame, rows_in=len(some))


def records_of(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the header and the records; csv.Error becomes DataFormatError with its record.

    Blank lines before the header are no records.
    """
    row = 0
    while True:
        with _FIELD_LIMIT:
            usual = csv.field_size_limit(_LARGEST_FIELD)
            try:
                record = next(reader, None)
            except csv.Error as err:
                fix = 'double each quote inside a quoted cell: "she said ""no"""'
                raise bad_row(path, row or None, f"broken quoting: {err}", fix) from err
            finally:
                csv.field_size_limit(usual)
        if record is None:
            return
        if not record and not row:
            continue
        if any(NUL in cell for cell in record):
            what = f"the {'record' if row else 'header'} holds NUL bytes"
            raise bad_row(path, row or None, what, nul_fix(",".join(record)))
        yield record
        row += 1


def _without_faults(
    path: Path,
    cells: int,
    records: Mapping[int, list[str]],
    delimiter: str,
    faults: Faults | None,
) -> dict[int, list[str]]:
    """Return the records with as many cells as the header; the others are faults.

    So are records of TSV that hold several lines, each of which would be a record by itself: there
    quotes mostly are signs like any other, and a text that begins with one and another that ends
    with one would swallow each other and all rows between them.
    """
    even = {}
    for row, record in records.items():
        what, fix = "", "quote cells that hold the separator or a line end"
        if len(record) != cells:
            what = f"the record has {len(record)} cells, the header {cells}"
        elif delimiter == "\t" and (lines := _records_within(record)) > 1:
            what = f"the record goes over {lines} lines, each of which has {cells} cells by itself"
            fix = 'write cells that begin with a quote within quotes: """I came,"" she said"'
        if not what:
            even[row] = record
        elif faults is None:
            raise bad_row(path, row, what, fix)
        else:
            faults.append(Fault(row, what))
    return even


def _records_within(record: list[str]) -> int:
    """Return how many records of TSV the lines of one would be without its quotes; 1: no more."""
    if len(record) == 1 or not any(_LINE_END.search(cell) for cell in record):
        return 1
    lines = _LINE_END.split("\t".join(record))
    return len(lines) if all(line.count("\t") == len(record) - 1 for line in lines) else 1
