"""Rows left out of parts, each counted for the first reason that held of it."""

from collections import Counter
from collections.abc import Callable, Mapping

import polars as pl

from burnish.errors import EmptyDataError
from burnish.records import LedgerEntry

Parts = Mapping[str, pl.DataFrame]


class LeftOut:
    """What is to be left out of some parts, reason by reason."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gone = {
            name: pl.repeat(False, rows.height, eager=True) for name, rows in parts.items()
        }
        self.counts: dict[str, Counter[str]] = {name: Counter() for name in parts}

    def add(self, part: str, reason: str, rows: pl.Series) -> None:
        """Leave out the rows under a Boolean mask over the part; those gone already do not count.

        Args:
            part: which one.
            reason: what the ledger says of it.
            rows: shape (rows of the part,).
        """
        if fresh := int((rows & ~self._gone[part]).sum()):
            self.counts[part][reason] += fresh
            self._gone[part] = self._gone[part] | rows

    def kept(self) -> dict[str, pl.DataFrame]:
        """Return the parts without what was left out."""
        return {name: rows.filter(~self._gone[name]) for name, rows in self._parts.items()}

    def entries(self, stage: str) -> tuple[LedgerEntry, ...]:
        """Return the ledger's lines of the stage, one a part."""
        return tuple(
            LedgerEntry(
                stage=stage,
                split=name,
                rows_in=rows.height,
                kept=rows.height - self.counts[name].total(),
                dropped=dict(self.counts[name]),
            )
            for name, rows in self._parts.items()
        )


def refuse_nothing_left(
    parts: Parts, words: Callable[[str], str], *, where: str | None = None, fix: str
) -> None:
    """Raise EmptyDataError, BN205, if a part has no row; `words` tells of it what happened."""
    for name, rows in parts.items():
        if rows.is_empty():
            raise EmptyDataError(words(name), where=where or f"the {name} rows", fix=fix)


def counts_told(counts: Mapping[str, int]) -> str:
    """Return `12 unique, 3 regex`, or `none`."""
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"
