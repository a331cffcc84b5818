"""Values that the nodes of the graph hand to one another."""

from dataclasses import dataclass

import polars as pl

from burnish.records import Finding, LedgerEntry

Parts = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Rows after one stage: the parts or splits, what was noticed, and the ledger so far."""

    rows: Parts
    entries: tuple[LedgerEntry, ...]
    findings: tuple[Finding, ...] = ()
