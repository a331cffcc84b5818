"""A data file as typed columns: what is wanted of it, and the faults all readers tell alike.

Every requested column becomes one of a few plain kinds (`burnish.data.columns` makes them of the
values of a file); a value that does not fit is refused with its file and row.

Used by `burnish.data.formats`; `burnish.data.reading` turns the result into canonical rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import polars as pl

from burnish.errors import ColumnError, DataFormatError

NUL = "\x00"
ROW = "burnish:row"  # column of record numbers; a name no data file is likely to use
# Big enough to make columns cheaply, small enough to hold few parsed records at a time.
BATCH_ROWS = 20_000


class Kind(Enum):
    """What a column is for, which decides the values it may hold."""

    TEXT = "text"  # String
    LABELS = "labels"  # String (one label a row) or List(String)
    INPUT = "input"  # String, or conversations as `data.conversation` has them; a task that writes
    ANSWERS = "answers"  # List(String): the accepted texts; a single text is a list of one
    PLAIN = "plain"  # one scalar a row, of any scalar type

    @property
    def key(self) -> str:
        """The recipe key that names a column of this kind; empty where several do."""
        return _KEYS.get(self, "")


_KEYS = {
    Kind.TEXT: "data.text",
    Kind.LABELS: "data.label",
    Kind.INPUT: "data.input",
    Kind.ANSWERS: "data.output",
}
TEXTS = (Kind.TEXT, Kind.INPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A data file, and what is wanted of it."""

    path: Path
    columns: Mapping[str, Kind]  # name → what it is for
    encoding: str = "utf-8"  # of a text file


class Fault(NamedTuple):
    """A record that cannot be read."""

    row: int  # 1-based record number
    what: str


Faults = list[Fault]  # taken down in place of being raised, where a reader is given a list


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The requested columns of a file or of some rows of it, plus `ROW` (1-based number, Int64)."""

    frame: pl.DataFrame
    rows_in: int  # records read, blank lines included

    @property
    def dropped(self) -> dict[str, int]:
        """Reason → records read that are not in the frame."""
        blank = self.rows_in - self.frame.height
        return {"blank-line": blank} if blank else {}


def bad_row(path: Path, row: int | None, what: str, fix: str) -> DataFormatError:
    """Return the error for one record of a file; `row` is 1-based, None for the whole file."""
    where = str(path) if row is None else f"{path}, row {row}"
    return DataFormatError(what, where=where, fix=fix)


def require_columns(path: Path | str, wanted: Mapping[str, Kind], present: Sequence[str]) -> None:
    """Raise ColumnError (BN204) for the first wanted column that is not present, or is there twice.

    The near name is offered, because most missing columns are a matter of spelling.
    """
    keys = ", ".join(f"`{kind.key}`" for kind in Kind if kind in wanted.values() and kind.key)
    for name in wanted:
        if name not in present:
            near = get_close_matches(name, present, n=1, cutoff=0.5)
            raise ColumnError(
                f"no column is called {name!r}; the file has {_listed(present)}",
                where=str(path),
                fix=f"set {keys} and the other column keys to names in the file"
                + (f"; did you mean {near[0]!r}?" if near else ""),
            )
        if (times := list(present).count(name)) > 1:
            raise ColumnError(
                f"column {name!r} is there {times} times",
                where=str(path),
                fix="give each column its own name",
            )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name[:40]) for name in names[:12])
    return (shown or "no columns") + (", …" if len(names) > 12 else "")  # noqa: PLR2004


def as_lists(series: pl.Series) -> pl.Series:
    """Return List(String): each text as a list of one, null as null; lists as they are."""
    if isinstance(series.dtype, pl.List):
        return series.cast(pl.List(pl.String))
    texts = series.cast(pl.String)
    return (
        pl.select(pl.when(texts.is_not_null()).then(pl.concat_list(texts)))
        .to_series()
        .rename(series.name)
    )


def refuse_nul(path: Path, series: pl.Series, rows: Sequence[int] | pl.Series) -> None:
    """Raise DataFormatError (BN202) when a text holds the NUL character; names file and row."""
    nul = series.str.contains(NUL, literal=True).fill_null(value=False)
    if nul.any():
        at = nul.arg_max() or 0
        what = f"column {series.name!r} holds a NUL character"
        raise bad_row(path, int(rows[at]), what, nul_fix(series[at]))


def nul_fix(text: str) -> str:
    """Return how to be rid of the NUL characters of the first text of a file that has some."""
    if encoding := unmarked_utf_16(text):
        return f"set `data.encoding: {encoding}`, which the file seems to be in"
    return "remove them, for instance with `tr -d '\\000'`; they are a sign of a damaged export"


def unmarked_utf_16(text: str) -> str | None:
    """Return the UTF-16 that a text looks to be in that was read byte by byte; None: in neither.

    Of each Latin letter one byte is NUL. A text of fewer than four characters tells nothing.
    """
    for encoding, nuls in (("utf-16-le", text[1::2]), ("utf-16-be", text[::2])):
        if len(text) >= 8 and nuls.count(NUL) * 2 > len(nuls):  # noqa: PLR2004
            return encoding
    return None
