"""Read a JSON file that holds one list of objects. Row numbers are places in the list."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.data.formats.objects import (
    DuplicateKeyError,
    missing_everywhere,
    not_an_object,
    unique_keys,
)
from burnish.data.streams import text_stream
from burnish.data.table import NUL, Columns, Kind, Table, bad_row


def read(path: Path, *, encoding: str, columns: Mapping[str, Kind]) -> Table:
    """Return the requested columns.

    Raises:
        DataFormatError: BN202, not JSON, not a list, or an element that is not an object.
        ColumnError: BN204, no element has a requested key.
    """
    with text_stream(path, encoding=encoding) as stream:
        content = stream.read()
    if content.isspace() or not content:
        return Table(frame=Columns(path, columns).frame(), rows_in=0)
    records = _parsed(path, content)
    for row, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            raise not_an_object(path, row, record)
    collected = Columns(path, columns)
    rows = range(1, len(records) + 1)
    collected.add(rows, {name: [r.get(name) for r in records] for name in columns})
    keys = list({key: None for record in records for key in record})
    missing_everywhere(path, columns, keys, rows=len(records))
    return Table(frame=collected.frame(), rows_in=len(records))


def _parsed(path: Path, content: str) -> list[Any]:
    try:
        value = json.loads(content, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as err:
        line = content.count("\n", 0, err.pos) + 1
        nul = NUL in content[max(0, err.pos - 1) : err.pos + 1]
        what = "the file holds NUL bytes" if nul else f"not JSON: {err.msg}"
        fix = "correct the file; if every line is an object of its own, name it .jsonl"
        raise bad_row(path, None, f"{what}, line {line}, column {err.colno}", fix) from err
    except DuplicateKeyError as err:
        row = _row_with_key_twice(content)
        raise bad_row(path, row, str(err), "keep one of the two") from err
    except RecursionError as err:
        raise bad_row(path, None, "the JSON is nested too deep", "flatten the rows") from err
    except ValueError as err:
        raise bad_row(path, None, f"not JSON: {err}", "correct the file") from err
    if not isinstance(value, list):
        inner = [k for k, v in value.items() if isinstance(v, list)] if type(value) is dict else []
        fix = f"keep only the list under {inner[0]!r}" if inner else "write one list of objects"
        raise bad_row(path, None, f"the file is a JSON {type(value).__name__}, not a list", fix)
    return value


def _row_with_key_twice(content: str) -> int | None:
    """Parse again, leaving a mark in place of each object with a key twice, to find the first."""
    mark = object()

    def marked(pairs: list[tuple[str, Any]]) -> Any:
        values = [value for _, value in pairs]
        return mark if len(dict(pairs)) < len(pairs) or mark in values else dict(pairs)

    value = json.loads(content, object_pairs_hook=marked)
    records = value if isinstance(value, list) else []
    return next((row for row, record in enumerate(records, 1) if record is mark), None)
