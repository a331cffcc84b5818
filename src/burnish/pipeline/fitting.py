"""Training rows that only their tokens show to be unfit: told, left out, or refused.

An answer that would lose its end, or has nothing to learn, teaches a model to break off or to
say nothing. The task finds such rows; here they become findings and entries of the ledger.
"""

import polars as pl

from burnish.errors import CheckError, EmptyDataError
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
    rows = stage.rows[TRAIN]
    findings = stage.findings + tuple(_finding(rows, one) for one in unfit)
    refused = [(one, f) for one, f in zip(unfit, findings[len(stage.findings) :], strict=True)
               if one.action == "error"]  # fmt: skip
    if refused:
        error = CheckError(
            f"{len(refused)} data check(s) failed: "
            + "; ".join(f"{found.code}: {found.message}" for _, found in refused),
            where=f"{refused[0][1].file} row {refused[0][1].row}",
            fix=refused[0][0].fix,
        )
        error.findings = findings
        raise error
    kept, dropped = rows, {}
    for one in unfit:
        if one.action == "drop":
            left = kept.filter(
                ~pl.col("id").is_in(rows.filter(pl.Series(one.rows))["id"].implode())
            )
            dropped[one.code] = kept.height - left.height
            kept = left
    if kept.is_empty():
        raise EmptyDataError(
            f"no training row is left; dropped: {dropped}",
            where="the training rows",
            fix="raise `task.max_output_length`",
        )
    entry = LedgerEntry(
        stage="length", split=TRAIN, rows_in=rows.height, kept=kept.height, dropped=dropped
    )
    return Stage(
        rows=stage.rows | {TRAIN: kept},
        entries=(*stage.entries, entry) if unfit else stage.entries,
        findings=findings,
    )


def _finding(rows: pl.DataFrame, unfit: Unfit) -> Finding:
    found = rows.filter(pl.Series(unfit.rows))
    file, row = found["file"][0], int(found["row"][0])
    return Finding(
        code=unfit.code,
        severity="error" if unfit.action == "error" else "warning",
        message=f"{found.height} {TRAIN} row(s) {unfit.words} (first: {file} row {row})",
        count=found.height,
        action=unfit.action,
        split=TRAIN,
        file=file,
        row=row,
    )
