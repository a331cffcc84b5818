"""Read JSON Lines: one object a line. Row numbers are line numbers."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from burnish.data.formats.objects import missing_everywhere, parse_object
from burnish.data.streams import refuse_nul_bytes, text_stream
from burnish.data.table import Columns, Kind, Table

# Big enough to make columns cheaply, small enough to hold few parsed objects at a time.
_BATCH_ROWS = 20_000


def read(path: Path, *, encoding: str, columns: Mapping[str, Kind]) -> Table:
    """Return the requested columns; blank lines are dropped and counted as `blank-line`.

    Raises:
        DataFormatError: BN202, a line is not one JSON object; names the line.
        ColumnError: BN204, no line has a requested key.
    """
    collected = Columns(path, columns)
    keys: dict[str, None] = {}
    lines = blank = 0
    with text_stream(path, encoding=encoding) as stream:
        while batch := list(islice(stream, _BATCH_ROWS)):
            rows, records = _parsed(path, lines, batch)
            lines, blank = lines + len(batch), blank + len(batch) - len(rows)
            collected.add(rows, {name: [r.get(name) for r in records] for name in columns})
            for record in records:
                keys.update(dict.fromkeys(record))
    frame = collected.frame()
    missing_everywhere(path, columns, list(keys), rows=frame.height)
    return Table(frame=frame, rows_in=lines, dropped={"blank-line": blank} if blank else {})


def _parsed(path: Path, before: int, batch: list[str]) -> tuple[list[int], list[dict[str, Any]]]:
    rows, records = [], []
    for row, line in enumerate(batch, start=before + 1):
        if line.isspace() or not line:
            continue
        refuse_nul_bytes(path, row, line)
        rows.append(row)
        records.append(parse_object(path, row, line))
    return rows, records
