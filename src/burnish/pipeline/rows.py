"""Rows that a program holds already, from any data library, as files a recipe can name.

They are written as JSON lines into a folder named by their content. So they are read, checked
and recorded like any file, and the recipe of the run can be run again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from burnish.data.hub import PARTS
from burnish.errors import UsageError
from burnish.files import write_text
from burnish.training.gguf import cache_folder

_METHODS = ("to_dicts", "to_pylist", "to_list")  # of Polars, Arrow, and Hugging Face's datasets


def kept_rows(rows: Any) -> Path:
    """Return a folder with the rows, written now unless they are there.

    Args:
        rows: a list of mappings, a pandas, Polars or Arrow table, a data set of Hugging Face, or
            a mapping of columns; or a mapping from train, validation and test to any of these.

    Raises:
        UsageError: BN103, they are none of these.
        StorageError: BN402, the folder cannot be written.
    """
    is_parts = isinstance(rows, Mapping) and rows and set(rows) <= {*PARTS}
    parts = dict(rows) if is_parts else {"train": rows}
    texts = {part: _lines(_dicts(one)) for part, one in parts.items()}
    digest = hashlib.sha256()
    for part, text in sorted(texts.items()):
        digest.update(f"{part} {len(text)}\n{text}".encode())
    folder = cache_folder() / "rows" / digest.hexdigest()[:16]
    for part, text in texts.items():
        path = folder / f"{part}.jsonl"
        if not path.is_file():
            write_text(path, text)
    return folder


def _dicts(rows: Any) -> Iterable[Any]:
    for method in _METHODS:
        if hasattr(rows, method):
            found: Iterable[Any] = getattr(rows, method)()
            return found
    if hasattr(rows, "notna"):  # pandas, whose missing values are numbers
        plain = rows.astype(object).where(rows.notna(), None)
        records: Iterable[Any] = plain.to_dict("records")
        return records
    if isinstance(rows, Mapping):
        columns = zip(*rows.values(), strict=True)
        return [dict(zip(rows, values, strict=True)) for values in columns]
    if isinstance(rows, Iterable) and not isinstance(rows, str | bytes):
        return rows
    raise _unknown(rows)


def _lines(rows: Iterable[Any]) -> str:
    lines = []
    for row in rows:
        if not isinstance(row, Mapping):
            raise _unknown(row)
        lines.append(json.dumps(dict(row), default=_plain) + "\n")
    return "".join(lines)


def _plain(value: Any) -> Any:
    """Return a value of NumPy or of another library as one of Python's."""
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    return str(value)


def _unknown(value: Any) -> UsageError:
    return UsageError(
        f"a {type(value).__name__} is no table of rows",
        where="input `rows` of the graph",
        fix="give a list of mappings, or a pandas, Polars or Arrow table",
    )
