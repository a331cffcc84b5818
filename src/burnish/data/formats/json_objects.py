"""Read JSON objects as rows: one a line (row numbers are line numbers), or one list of them.

Strict: an object with a key twice is refused, because one of the two values would be lost.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from burnish.data.columns import Columns
from burnish.data.streams import text_stream
from burnish.data.table import NUL, Kind, Table, bad_row, require_columns
from burnish.errors import DataFormatError

# Big enough to make columns cheaply, small enough to hold few parsed objects at a time.
_BATCH_ROWS = 20_000


def read_lines(path: Path, *, encoding: str, columns: Mapping[str, Kind]) -> Table:
    """Return the requested columns of JSON Lines; blank lines are dropped and counted.

    Raises:
        DataFormatError: BN202, a line is not one JSON object; names the line.
        ColumnError: BN204, no line has a requested key.
    """
    collected = Columns(path, columns)
    keys: dict[str, None] = {}
    lines = 0
    with text_stream(path, encoding=encoding) as stream:
        while batch := list(islice(stream, _BATCH_ROWS)):
            full = {row: line for row, line in enumerate(batch, lines + 1) if not line.isspace()}
            lines += len(batch)
            records = [_parsed_line(path, row, line) for row, line in full.items()]
            _add(collected, columns, list(full), records, keys)
    return _table(path, collected, columns, keys, lines)


def read_list(path: Path, *, encoding: str, columns: Mapping[str, Kind]) -> Table:
    """Return the requested columns of a file with one JSON list; rows are places in the list.

    Raises:
        DataFormatError: BN202, not JSON, not a list, or an element that is not an object.
        ColumnError: BN204, no element has a requested key.
    """
    with text_stream(path, encoding=encoding) as stream:
        content = stream.read()
    collected = Columns(path, columns)
    values = _parsed_list(path, content) if content.strip() else []
    records = [_object(path, row, value) for row, value in enumerate(values, 1)]
    keys: dict[str, None] = {}
    _add(collected, columns, range(1, len(records) + 1), records, keys)
    return _table(path, collected, columns, keys, len(records))


def _add(
    collected: Columns,
    columns: Mapping[str, Kind],
    rows: Sequence[int],
    records: list[dict[str, Any]],
    keys: dict[str, None],
) -> None:
    """Append records to the columns, and their keys to those seen."""
    collected.add(rows, {name: [r.get(name) for r in records] for name in columns})
    keys.update(dict.fromkeys(chain.from_iterable(records)))


def _table(
    path: Path, collected: Columns, columns: Mapping[str, Kind], keys: dict[str, None], rows_in: int
) -> Table:
    table = Table(frame=collected.frame(), rows_in=rows_in)
    if not table.frame.is_empty():
        require_columns(path, columns, list(keys))
    return table


class _DuplicateKeyError(ValueError):
    """An object names one key twice."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKeyError(f"key {twice!r} is there twice in one object")
    return found


_PLAIN = json.JSONDecoder()
_STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys)


def _object(path: Path, row: int, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        what = f"the row is a JSON {type(value).__name__}, not an object with named values"
        fix = 'write each row as an object, like {"text": "…", "label": "…"}'
        raise bad_row(path, row, what, fix)
    return value


def _parsed_line(path: Path, row: int, line: str) -> dict[str, Any]:
    try:
        value = _PLAIN.decode(line)
        # Fewer keys than colons: perhaps one came twice, which only the slower decoder tells.
        if isinstance(value, dict) and line.count(":") > len(value):
            value = _STRICT.decode(line)
    except (ValueError, RecursionError) as err:
        raise _unparsable(path, row, line, err) from err
    return _object(path, row, value)


def _unparsable(path: Path, row: int, line: str, err: Exception) -> DataFormatError:
    if NUL in line:
        fix = "remove them with `tr -d '\\000'`, or set `data.encoding: utf-16` if it is that"
        return bad_row(path, row, "the line holds NUL bytes", fix)
    if isinstance(err, _DuplicateKeyError):
        return bad_row(path, row, str(err), "keep one of the two")
    if isinstance(err, RecursionError):
        return bad_row(path, row, "the JSON is nested too deep", "flatten the row")
    what = str(err)
    if isinstance(err, json.JSONDecodeError):
        what = f"{err.msg} at character {err.pos + 1}"
    fix = "correct the line; each must hold one whole JSON object"
    if row == 1 and line.lstrip().startswith("["):
        fix = "if the file is one JSON list, name it .json"
    return bad_row(path, row, f"not JSON: {what}", fix)


def _parsed_list(path: Path, content: str) -> list[Any]:
    try:
        value = _STRICT.decode(content)
    except json.JSONDecodeError as err:
        nul = NUL in content[max(0, err.pos - 1) : err.pos + 1]
        what = "the file holds NUL bytes" if nul else f"not JSON: {err.msg}"
        fix = "correct the file; if every line is an object of its own, name it .jsonl"
        raise bad_row(path, None, f"{what}, line {err.lineno}, column {err.colno}", fix) from err
    except _DuplicateKeyError as err:
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
