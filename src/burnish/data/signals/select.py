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

from burnish.data.signals.signal import NO_NUMBER_FIX, Signal, measured
from burnish.data.signals.tree import Leaf, leaves
from burnish.errors import ColumnError, EmptyDataError
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
class Tally:
    """What a formula did to some rows, in numbers; those of further rows can be added."""

    formula: str
    kept: int
    left_out: int
    unknown: int  # of those left out: rows of which it is not known whether the formula holds
    reports: tuple[Report, ...]  # of each signal, and of the formula last

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            formula=self.formula,
            kept=self.kept + other.kept,
            left_out=self.left_out + other.left_out,
            unknown=self.unknown + other.unknown,
            reports=tuple(map(_sum, self.reports, other.reports)),
        )

    def entry(self, split: str) -> LedgerEntry:
        """Return the ledger's line for it."""
        counts = {NOT_SELECTED: self.left_out - self.unknown, UNKNOWN: self.unknown}
        return LedgerEntry(
            stage="select",
            split=split,
            rows_in=self.kept + self.left_out,
            kept=self.kept,
            dropped={reason: count for reason, count in counts.items() if count},
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `selection.json` holds of one part."""
        return {
            "kept": self.kept,
            "left_out": self.left_out,
            "signals": [asdict(one) for one in self.reports],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows divided by a formula."""

    kept: pl.DataFrame
    left_out: pl.DataFrame  # columns id, file, row, `selected` (false or null), and each signal's
    tally: Tally


def select(rows: pl.DataFrame, signal: Signal) -> Selection:
    """Return the rows for which a signal is surely true, and the others with their reasons.

    Args:
        rows: canonical rows, as `burnish.data.load` makes them.
        signal: yes or no for each row.

    Raises:
        SignalError: BN209, a signal cannot be read, or the whole is not yes or no.
        ColumnError: BN204, a text that is compared with a number is none; names its file and row.
    """
    found = _all_measured(leaves(signal.node), rows)
    columns = {name: values for name, (values, _) in found.items()}
    reports = [_report(name, values, seconds) for name, (values, seconds) in found.items()]
    if (wrong := signal.no_number(columns)) is not None:
        name, at = wrong
        raise ColumnError(
            f"the signal `{name}` is compared with a number, and is the text "
            f"{columns[name][at]!r} here",
            where=f"{rows['file'][at]} row {rows['row'][at]}",
            fix=NO_NUMBER_FIX,
        )
    start = time.perf_counter()
    decided = signal.decided(columns)
    reports.append(_report(str(signal), decided, time.perf_counter() - start))
    chosen = decided.fill_null(value=False)
    told = rows.select("id", "file", "row").with_columns(
        decided.alias("selected"), *(one.alias(f"signal:{name}") for name, one in columns.items())
    )
    left_out = told.filter(~chosen)
    tally = Tally(
        formula=str(signal),
        kept=rows.height - left_out.height,
        left_out=left_out.height,
        unknown=left_out["selected"].null_count(),
        reports=tuple(reports),
    )
    return Selection(kept=rows.filter(chosen), left_out=left_out, tally=tally)


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


def refuse_nothing_selected(tallies: Mapping[str, Tally]) -> None:
    """Raise EmptyDataError, BN205, if of a part no row is selected; tells what each signal did."""
    for part, tally in tallies.items():
        if not tally.kept:
            told = ", ".join(f"{one.signal}: {one.passed} of {one.rows}" for one in tally.reports)
            raise EmptyDataError(
                f"no {part} row is selected; true by signal: {told}",
                where="recipe key `data.select`",
                fix="relax the formula or the signals in it",
            )


def summary(tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """Return what `selection.json` holds: the formula, and what became of each part."""
    formula = next(iter(tallies.values())).formula
    return {"formula": formula} | {part: one.to_json() for part, one in tallies.items()}


def left_out_lines(part: str, found: Selection) -> pl.DataFrame:
    """Return one line for each row that was left out: part, place, and what the signals said."""
    return found.left_out.select(
        pl.lit(part).alias("part"), pl.all(), formula=pl.lit(found.tally.formula)
    )


def _report(name: str, values: pl.Series, seconds: float) -> Report:
    is_decision = values.dtype == pl.Boolean
    return Report(
        signal=name,
        rows=len(values),
        passed=int(values.sum() or 0) if is_decision else None,
        unknown=values.null_count(),
        seconds=round(seconds, 4),
    )


def _sum(one: Report, other: Report) -> Report:
    is_decision = one.passed is not None and other.passed is not None
    return Report(
        signal=one.signal,
        rows=one.rows + other.rows,
        passed=(one.passed or 0) + (other.passed or 0) if is_decision else None,
        unknown=one.unknown + other.unknown,
        seconds=round(one.seconds + other.seconds, 4),
    )
