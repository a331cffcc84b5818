"""The row ledger: for every stage, rows in = rows kept + rows dropped + rows moved.

One entry balances by construction (`LedgerEntry` refuses otherwise). Here the chain is checked
too: what one stage kept is what the next one got, so no row vanishes between two stages.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from burnish.records import LedgerEntry


def check_balance(entries: Sequence[LedgerEntry]) -> None:
    """Raise ValueError when a stage got another number of rows than the one before handed on."""
    rows_left(entries)


def rows_left(entries: Sequence[LedgerEntry]) -> dict[str, int]:
    """Return split → rows it holds after the last stage.

    Args:
        entries: in the order the stages ran; a part without an entry passes through unchanged.

    Raises:
        ValueError: rows vanish, or appear, between two stages.
    """
    rows: Counter[str] = Counter()
    for stage, group in groupby(entries, key=lambda entry: entry.stage):
        arriving: Counter[str] = Counter()
        for entry in group:
            before = rows.get(entry.split, entry.rows_in)
            if before != entry.rows_in:
                raise ValueError(
                    f"stage {stage}, split {entry.split}: {entry.rows_in} rows in, "
                    f"but {before} were handed on by the stage before"
                )
            rows[entry.split] = entry.kept
            arriving.update(entry.moved)
        rows.update(arriving)
    return dict(rows)


def ledger_json(entries: Sequence[LedgerEntry]) -> dict[str, Any]:
    """Return the document of ledger.json: entries, totals, and that they balance.

    Raises:
        ValueError: the chain of stages does not balance; see `rows_left`.
    """
    kept = rows_left(entries)
    dropped: Counter[str] = Counter()
    for entry in entries:
        dropped.update(entry.dropped)
    return {
        "balances": True,
        "totals": {
            "rows_in": sum(e.rows_in for e in entries if e.stage == entries[0].stage),
            "kept": kept,
            "dropped": dict(dropped),
            "rows_cut": sum(entry.rows_cut for entry in entries),
            "tokens_lost": sum(entry.tokens_lost for entry in entries),
        },
        "entries": [asdict(entry) for entry in entries],
    }
