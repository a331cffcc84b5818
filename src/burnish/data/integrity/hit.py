"""What a check returns, and how rows are named in its words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import polars as pl

from burnish.data.keys import KEY, text_keys
from burnish.records import Finding, Severity, Space

Parts = Mapping[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Rows of one part that a check found, and what leaving them out would mean."""

    split: str
    message: str
    count: int  # rows concerned
    file: str | None = None  # of the first of them
    row: int | None = None
    drops: Mapping[str, pl.Series] = field(default_factory=dict)  # part → Boolean mask of rows

    def finding(
        self, code: str, action: str, *, severity: Severity = "warning", more: str = ""
    ) -> Finding:
        """Return the line of `findings.jsonl` for it; one that stops the run is an error."""
        return Finding(
            code=code,
            severity="error" if action == "error" else severity,
            message=self.message + more,
            count=self.count,
            action=action,
            split=self.split,
            file=self.file,
            row=self.row,
        )


Check = Callable[[Parts, Space], list[Hit]]

EMPTY_KEY = int(text_keys(pl.Series([""], dtype=pl.String))[0])
HAS_TEXT = pl.col(KEY) != EMPTY_KEY


def place(rows: pl.DataFrame) -> str:
    """Return `train.jsonl row 803` for the first row of a canonical frame."""
    return f"{rows['file'][0]} row {rows['row'][0]}"


def hit(split: str, found: pl.DataFrame, message: str, drops: Mapping[str, pl.Series]) -> Hit:
    """Return the hit for the rows found, of which there is one at least."""
    return Hit(
        split=split,
        message=message,
        count=found.height,
        file=found["file"][0],
        row=found["row"][0],
        drops=drops,
    )


def hit_rows(split: str, rows: pl.DataFrame, mask: pl.Series, message: str) -> list[Hit]:
    """Return one hit for the rows under a mask, or none; `{n}` and `{first}` are filled in."""
    found = rows.filter(mask)
    if found.is_empty():
        return []
    told = message.format(n=found.height, first=place(found), split=split)
    return [hit(split, found, told, {split: mask})]
