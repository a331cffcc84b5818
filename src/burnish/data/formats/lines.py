"""Read a plain text file: one text a line. Row numbers are line numbers."""

from collections.abc import Iterator
from itertools import islice

from burnish.data.batches import batch
from burnish.data.streams import text_stream
from burnish.data.table import BATCH_ROWS, TEXTS, DataFile, Faults, Table, require_columns


def read(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the lines under the name of the text column; blank lines are dropped and counted.

    Raises:
        ColumnError: BN204, another column than a text is asked of a file that has none.
    """
    texts = [name for name, kind in file.columns.items() if kind in TEXTS]
    require_columns(file.path, file.columns, texts)
    total = 0
    with text_stream(file.path, encoding=file.encoding, by_row=faults is not None) as stream:
        while some := list(islice(stream, BATCH_ROWS)):
            lines = enumerate(some, total + 1)
            full = {row: line.rstrip("\r\n") for row, line in lines if not line.isspace()}
            total += len(some)
            values = {name: list(full.values()) for name in texts}
            frame = batch(file, list(full), values, faults)
            yield Table(frame=frame, rows_in=len(some))
