"""Read JSON objects as rows: one a line (row numbers are line numbers), or one list of them.

Strict: an object with a key twice is refused, because one of the two values would be lost.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, TypeVar

from burnish.data.batches import batch
from burnish.data.streams import text_stream
from burnish.data.table import (
    BATCH_ROWS,
    NUL,
    DataFile,
    Fault,
    Faults,
    Table,
    bad_row,
    nul_fix,
    require_columns,
)
from burnish.errors import DataFormatError

T = TypeVar("T")


def read_lines(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the requested columns of JSON Lines; blank lines are dropped and counted.

    Raises:
        DataFormatError: BN202, a line is not one JSON object; names the line.
        ColumnError: BN204, no line has a requested key; told after the last one.
    """
    keys: dict[str, None] = {}
    lines = 0
    with text_stream(file.path, encoding=file.encoding, by_row=faults is not None) as stream:
        while some := list(islice(stream, BATCH_ROWS)):
            full = {row: line for row, line in enumerate(some, lines + 1) if not line.isspace()}
            lines += len(some)
            records = _objects(full, partial(_parsed_line, file.path), faults)
            yield _table(file, records, keys, faults, rows_in=len(some))
    if keys:
        require_columns(file.path, file.columns, list(keys))


def read_list(file: DataFile, faults: Faults | None = None) -> Iterator[Table]:
    """Yield the requested columns of a file with one JSON list; rows are places in the list.

    The list is parsed as a whole: it is the one text format that has to fit into memory.

    Raises:
        DataFormatError: BN202, not JSON, not a list, or an element that is not an object; the
            last is a fault of its row.
        ColumnError: BN204, no element has a requested key.
    """
    with text_stream(file.path, encoding=file.encoding, by_row=faults is not None) as stream:
        content = stream.read()
    values = _parsed_list(file.path, content) if content.strip() else []
    keys: dict[str, None] = {}
    for start in range(0, len(values), BATCH_ROWS):
        some = values[start : start + BATCH_ROWS]
        records = _objects(dict(enumerate(some, start + 1)), partial(_object, file.path), faults)
        yield _table(file, records, keys, faults, rows_in=len(some))
    if keys:
        require_columns(file.path, file.columns, list(keys))


def _table(
    file: DataFile,
    records: Mapping[int, dict[str, Any]],
    keys: dict[str, None],
    faults: Faults | None,
    *,
    rows_in: int,
) -> Table:
    """Return records by row as columns, and add their keys to those seen."""
    values = {name: [record.get(name) for record in records.values()] for name in file.columns}
    keys.update(dict.fromkeys(chain.from_iterable(records.values())))
    return Table(frame=batch(file, list(records), values, faults), rows_in=rows_in)


def _objects(
    values: Mapping[int, T], object_of: Callable[[int, T], dict[str, Any]], faults: Faults | None
) -> dict[int, dict[str, Any]]:
    """Return the object of each line or element by row; those without one are faults."""
    found = {}
    for row, value in values.items():
        try:
            found[row] = object_of(row, value)
        except DataFormatError as err:
            if faults is None:
                raise
            faults.append(Fault(row, err.what))
    return found


class _DuplicateKeyError(ValueError):
    """An object names one key twice."""


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _DuplicateKeyError(f"key {twice!r} is there twice in one object")
    return found


def _marked(pairs: list[tuple[str, Any]]) -> Any:
    """Return the object, or in its place the error that it, or one within it, has a key twice."""
    try:
        found = _unique_keys(pairs)
    except _DuplicateKeyError as err:
        return err
    return _error_in([*found.values()]) or found


def _error_in(value: Any) -> _DuplicateKeyError | None:
    if isinstance(value, list):
        return next(filter(None, map(_error_in, value)), None)
    return value if isinstance(value, _DuplicateKeyError) else None


_PLAIN = json.JSONDecoder()
_STRICT = json.JSONDecoder(object_pairs_hook=_unique_keys)
_MARKING = json.JSONDecoder(object_pairs_hook=_marked)


def _key_twice(path: Path, row: int | None, err: _DuplicateKeyError) -> DataFormatError:
    return bad_row(path, row, str(err), "keep one of the two")


def _object(path: Path, row: int, value: Any) -> dict[str, Any]:
    if isinstance(value, _DuplicateKeyError):
        raise _key_twice(path, row, value) from value
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
        return bad_row(path, row, "the line holds NUL bytes", nul_fix(line))
    if isinstance(err, _DuplicateKeyError):
        return _key_twice(path, row, err)
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
        value = _MARKING.decode(content)
    except json.JSONDecodeError as err:
        what = f"not JSON: {err.msg}"
        fix = "correct the file; if every line is an object of its own, name it .jsonl"
        if NUL in content[max(0, err.pos - 1) : err.pos + 1]:
            what, fix = "the file holds NUL bytes", nul_fix(content)
        raise bad_row(path, None, f"{what}, line {err.lineno}, column {err.colno}", fix) from err
    except RecursionError as err:
        raise bad_row(path, None, "the JSON is nested too deep", "flatten the rows") from err
    except ValueError as err:
        raise bad_row(path, None, f"not JSON: {err}", "correct the file") from err
    if isinstance(value, _DuplicateKeyError):
        raise _key_twice(path, None, value) from value
    if not isinstance(value, list):
        inner = [k for k, v in value.items() if isinstance(v, list)] if type(value) is dict else []
        fix = f"keep only the list under {inner[0]!r}" if inner else "write one list of objects"
        raise bad_row(path, None, f"the file is a JSON {type(value).__name__}, not a list", fix)
    return value
