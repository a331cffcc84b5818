"""Values that the nodes of the graph hand to one another."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import polars as pl

from burnish.errors import BurnishError
from burnish.records import Finding, LedgerEntry
from burnish.tasks.encoded import Encoded

Parts = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Rows after one stage: the parts or splits, what was noticed, and the ledger so far."""

    rows: Parts
    entries: tuple[LedgerEntry, ...]
    findings: tuple[Finding, ...] = ()
    unselected: pl.DataFrame | None = None  # training rows before a formula chose among them

    @contextmanager
    def told(self) -> Iterator[None]:
        """Let an error inside the block tell of all rows and findings so far too."""
        try:
            yield
        except BurnishError as err:
            err.entries, err.findings = self.entries, (*self.findings, *err.findings)
            raise


def encode_entries(encoded: Mapping[str, Encoded]) -> tuple[LedgerEntry, ...]:
    """Return the ledger of the encoding: every row kept, some of them cut."""
    return tuple(
        LedgerEntry(
            stage="encode",
            split=name,
            rows_in=part.examples,
            kept=part.examples,
            rows_cut=part.rows_cut,
            tokens_lost=part.tokens_lost,
        )
        for name, part in encoded.items()
    )
