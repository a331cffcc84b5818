"""Read a plain text file: one text a line. Row numbers are line numbers."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from burnish.data.columns import batch
from burnish.data.streams import text_stream
from burnish.data.table import BATCH_ROWS, TEXTS, Faults, Kind, Table, require_columns


def read(
    path: Path, *, encoding: str, columns: Mapping[str, Kind], faults: Faults | None = None
) -> Iterator[Table]:
    """Yield the lines under the name of the text column; blank lines are dropped and counted.

    Raises:
        ColumnError: BN204, another column than a text is asked of a file that has none.
    """
    texts = [name for name, kind in columns.items() if kind in TEXTS]
    require_columns(path, columns, texts)
    total = 0
    with text_stream(path, encoding=encoding, by_row=faults is not None) as stream:
        while some := list(islice(stream, BATCH_ROWS)):
            lines = enumerate(some, total + 1)
            full = {row: line.rstrip("\r\n") for row, line in lines if not line.isspace()}
            total += len(some)
            values = {name: list(full.values()) for name in texts}
            frame = batch(path, columns, list(full), values, faults)
            yield Table(frame=frame, rows_in=len(some))
