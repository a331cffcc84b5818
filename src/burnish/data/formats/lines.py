"""Read a plain text file: one text a line. Row numbers are line numbers."""

from collections.abc import Mapping
from pathlib import Path

from burnish.data.streams import text_stream
from burnish.data.table import Columns, Kind, Table, require_columns


def read(path: Path, *, encoding: str, columns: Mapping[str, Kind]) -> Table:
    """Return the lines under the name of the text column; blank lines are dropped and counted.

    Raises:
        ColumnError: BN204, another column than a text is asked of a file that has none.
    """
    texts = [name for name, kind in columns.items() if kind is Kind.TEXT]
    require_columns(path, columns, texts)
    rows, values, total = [], [], 0
    with text_stream(path, encoding=encoding) as stream:
        for total, line in enumerate(stream, start=1):
            if not line.isspace():
                rows.append(total)
                values.append(line.rstrip("\r\n"))
    collected = Columns(path, columns)
    collected.add(rows, dict.fromkeys(texts, values))
    blank = total - len(rows)
    return Table(
        frame=collected.frame(), rows_in=total, dropped={"blank-line": blank} if blank else {}
    )
