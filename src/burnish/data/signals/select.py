"""Divide rows by a formula, and keep account of every row and of every signal in it.

A row is kept where the formula is surely true. Of each row that is not, it is kept what the
formula and the signals in it said; so nobody has to guess why a row is not there.
"""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from burnish.data.signals.signal import Signal, measured
from burnish.data.signals.tree import Leaf, leaves
from burnish.records import LedgerEntry

_Timed = tuple[pl.Series, float]

NOT_SELECTED, UNKNOWN = "not-selected", "signal-unknown"  # reasons in the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How one signal, or a formula, went over some rows."""

    signal: str
    rows: int
    passed: int | None  # where it is true; None for a number or a text
    unknown: int  # where it is null
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows divided by a formula."""

    formula: str
    kept: pl.DataFrame
    left_out: pl.DataFrame  # columns id, file, row, `selected` (false or null), and each signal's
    reports: tuple[Report, ...]  # of each signal, and of the formula last

    def entry(self, split: str) -> LedgerEntry:
        """Return the ledger's line for it."""
        unknown = self.left_out["selected"].null_count()
        counts = {NOT_SELECTED: self.left_out.height - unknown, UNKNOWN: unknown}
        return LedgerEntry(
            stage="select",
            split=split,
            rows_in=self.kept.height + self.left_out.height,
            kept=self.kept.height,
            dropped={reason: count for reason, count in counts.items() if count},
        )

    def told(self) -> str:
        """Return of how many rows each signal, and the formula, is true."""
        return ", ".join(f"{one.signal}: {one.passed} of {one.rows}" for one in self.reports)

    def to_json(self) -> dict[str, Any]:
        """Return what `selection.json` holds of one part."""
        return {
            "kept": self.kept.height,
            "left_out": self.left_out.height,
            "signals": [asdict(one) for one in self.reports],
        }


def select(rows: pl.DataFrame, signal: Signal) -> Selection:
    """Return the rows for which a signal is surely true, and the others with their reasons.

    Args:
        rows: canonical rows, as `burnish.data.load` makes them.
        signal: yes or no for each row.

    Raises:
        SignalError: BN209, a signal cannot be read, or the whole is not yes or no.
    """
    found = _all_measured(leaves(signal.node), rows)
    columns = {name: values for name, (values, _) in found.items()}
    reports = [_report(name, values, seconds) for name, (values, seconds) in found.items()]
    start = time.perf_counter()
    decided = signal.decided(columns)
    reports.append(_report(str(signal), decided, time.perf_counter() - start))
    chosen = decided.fill_null(value=False)
    told = rows.select("id", "file", "row").with_columns(
        decided.alias("selected"), *(one.alias(f"signal:{name}") for name, one in columns.items())
    )
    return Selection(
        formula=str(signal),
        kept=rows.filter(chosen),
        left_out=told.filter(~chosen),
        reports=tuple(reports),
    )


def _all_measured(of: Mapping[str, Leaf], rows: pl.DataFrame) -> dict[str, _Timed]:
    """Return the values of all signals, and the seconds each took.

    Expressions side by side, a thread a core; functions of a user's own one after another.
    """

    def timed(leaf: Leaf) -> _Timed:
        start = time.perf_counter()
        return measured(leaf, rows), time.perf_counter() - start

    expressions = {name: one for name, one in of.items() if isinstance(one.measure, pl.Expr)}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(expressions, pool.map(timed, expressions.values()), strict=True))
    return {name: found[name] if name in found else timed(leaf) for name, leaf in of.items()}


def summary(selections: Mapping[str, Selection]) -> dict[str, Any]:
    """Return what `selection.json` holds: the formula, and what became of each part."""
    formula = next(iter(selections.values())).formula
    return {"formula": formula} | {part: one.to_json() for part, one in selections.items()}


def left_out_lines(selections: Mapping[str, Selection]) -> pl.DataFrame:
    """Return one line for each row that was left out: part, place, and what the signals said."""
    parts = [
        found.left_out.select(pl.lit(part).alias("part"), pl.all(), formula=pl.lit(found.formula))
        for part, found in selections.items()
    ]
    return pl.concat(parts, how="diagonal_relaxed")


def _report(name: str, values: pl.Series, seconds: float) -> Report:
    is_decision = values.dtype == pl.Boolean
    return Report(
        signal=name,
        rows=len(values),
        passed=int(values.sum() or 0) if is_decision else None,
        unknown=values.null_count(),
        seconds=round(seconds, 4),
    )
