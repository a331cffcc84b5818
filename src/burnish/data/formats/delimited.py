"""Read CSV and TSV with a header line. Row numbers count data records, the header not.

Python's reader in strict mode rather than a faster one: it tells a ragged record, a stray quote
and a file that ends inside quotes, each with its record, where others fill in nulls.
"""

import csv
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
            full = _without_ragged(file.path, len(header), full, faults)
            values = {}
            for name, at in places.items():
                empty = "" if file.columns[name] in (*TEXTS, Kind.ANSWERS) else None
                values[name] = [record[at] or empty for record in full.values()]
            frame = batch(file, list(full), values, faults)
            yield Table(frame=frame, rows_in=len(some))


def records_of(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """Yield the header and the records; csv.Error becomes DataFormatError with its record."""
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
        if any(NUL in cell for cell in record):
            what = f"the {'record' if row else 'header'} holds NUL bytes"
            raise bad_row(path, row or None, what, nul_fix(",".join(record)))
        yield record
        row += 1


def _without_ragged(
    path: Path, cells: int, records: Mapping[int, list[str]], faults: Faults | None
) -> dict[int, list[str]]:
    """Return the records with as many cells as the header; the others are faults."""
    even = {}
    for row, record in records.items():
        if len(record) == cells:
            even[row] = record
            continue
        what = f"the record has {len(record)} cells, the header {cells}"
        if faults is None:
            raise bad_row(path, row, what, "quote cells that hold the separator or a line end")
        faults.append(Fault(row, what))
    return even
