"""JSON objects as rows: strict parsing shared by the two JSON formats."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from burnish.data.table import Kind, bad_row, require_columns
from burnish.errors import DataFormatError


class DuplicateKeyError(ValueError):
    """An object names one key twice, so one of the two values would be lost."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of the pairs. Raises DuplicateKeyError when a key comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DuplicateKeyError(f"key {twice!r} is there twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=unique_keys)


def parse_object(path: Path, row: int, line: str) -> dict[str, Any]:
    """Return the JSON object in `line`.

    Raises:
        DataFormatError: BN202, not JSON, a key twice, nested too deep, or not an object.
    """
    try:
        value = _DECODER.decode(line)
    except (ValueError, RecursionError) as err:
        raise _unparsable(path, row, line, err) from err
    if not isinstance(value, dict):
        raise not_an_object(path, row, value)
    return value


def not_an_object(path: Path, row: int, value: Any) -> DataFormatError:
    """Return the error for a record that is a list, a number or a text."""
    return bad_row(
        path,
        row,
        f"the row is a JSON {type(value).__name__}, not an object with named values",
        'write each row as an object, like {"text": "…", "label": "…"}',
    )


def _unparsable(path: Path, row: int, line: str, err: Exception) -> DataFormatError:
    if isinstance(err, DuplicateKeyError):
        return bad_row(path, row, str(err), "keep one of the two")
    if isinstance(err, RecursionError):
        return bad_row(path, row, "the JSON is nested too deep", "flatten the row")
    column = f" at character {err.pos + 1}" if isinstance(err, json.JSONDecodeError) else ""
    what = err.msg if isinstance(err, json.JSONDecodeError) else str(err)
    fix = "correct the line; each must hold one whole JSON object"
    if row == 1 and line.lstrip().startswith("["):
        fix = "if the file is one JSON list, name it .json"
    return bad_row(path, row, f"not JSON: {what}{column}", fix)


def missing_everywhere(
    path: Path, columns: Mapping[str, Kind], keys: Sequence[str], *, rows: int
) -> None:
    """Raise ColumnError (BN204) for a requested key that no record has; no rows, no error."""
    if rows:
        require_columns(path, columns, list(dict.fromkeys(keys)))
