"""Training rows that only their tokens show to be unfit: told, left out, or refused.

An answer that would lose its end, or has nothing to learn, teaches a model to break off or to
say nothing. The task finds such rows; here they become findings and entries of the ledger.
"""

import numpy as np
import polars as pl

from burnish.data.integrity.checks import refusal
from burnish.data.integrity.hit import hit_rows
from burnish.errors import EmptyDataError
from burnish.pipeline.stage import Stage
from burnish.records import Finding, LedgerEntry
from burnish.tasks.base import Unfit

TRAIN = "train"


def without_unfit(stage: Stage, unfit: list[Unfit]) -> Stage:
    """Return the stage with the training rows that can be learned.

    Raises:
        CheckError: BN207, the recipe says `error` about rows that were found; `.findings` has all.
        EmptyDataError: BN205, no training row is left.
    """
    if not unfit:
        return stage
    rows = stage.rows[TRAIN]
    findings = stage.findings + tuple(_finding(rows, one) for one in unfit)
    if fixes := [one.fix for one in unfit if one.action == "error"]:
        raise refusal(findings, fix=fixes[0])
    gone, dropped = np.zeros(rows.height, dtype=np.bool_), {}
    for one in unfit:
        if one.action == "drop":
            dropped[one.code] = int((one.rows & ~gone).sum())
            gone |= one.rows
    if gone.all():
        raise EmptyDataError(
            f"no training row is left; dropped: {dropped}",
            where="the training rows",
            fix="raise `task.max_output_length`",
        )
    kept = rows.filter(pl.Series(~gone))
    entry = LedgerEntry(
        stage="length", split=TRAIN, rows_in=rows.height, kept=kept.height, dropped=dropped
    )
    return Stage(
        rows=stage.rows | {TRAIN: kept},
        entries=(*stage.entries, entry),
        findings=findings,
    )


def _finding(rows: pl.DataFrame, unfit: Unfit) -> Finding:
    message = f"{{n}} {{split}} row(s) {unfit.words} (first: {{first}})"
    (hit,) = hit_rows(TRAIN, rows, pl.Series(unfit.rows), message)
    return hit.finding(unfit.code, unfit.action)
