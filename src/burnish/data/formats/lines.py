"""Read a plain text file: one text a line. Row numbers are line numbers."""

from collections.abc import Mapping
from pathlib import Path

from burnish.data.columns import Columns
from burnish.data.streams import text_stream
from burnish.data.table import TEXTS, Kind, Table, require_columns


def read(path: Path, *, encoding: str, columns: Mapping[str, Kind]) -> Table:
    """Return the lines under the name of the text column; blank lines are dropped and counted.

    Raises:
        ColumnError: BN204, another column than a text is asked of a file that has none.
    """
    texts = [name for name, kind in columns.items() if kind in TEXTS]
    require_columns(path, columns, texts)
    with text_stream(path, encoding=encoding) as stream:
        lines = list(stream)
    full = {row: line.rstrip("\r\n") for row, line in enumerate(lines, 1) if not line.isspace()}
    collected = Columns(path, columns)
    collected.add(list(full), {name: list(full.values()) for name in texts})
    return Table(frame=collected.frame(), rows_in=len(lines))
