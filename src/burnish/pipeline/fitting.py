"""Training rows that only their tokens show to be unfit: told, left out, or refused.

An answer that would lose its end, or has nothing to learn, teaches a model to break off or to
say nothing. The task finds such rows; here they become findings and entries of the ledger.
"""

from dataclasses import replace

import polars as pl

from burnish.data.integrity.checks import refusal
from burnish.data.integrity.hit import hit_rows
from burnish.data.integrity.left_out import LeftOut, counts_told, refuse_nothing_left
from burnish.pipeline.stage import Stage
from burnish.records import Finding
from burnish.tasks.base import Unfit

TRAIN = "train"


def without_unfit(stage: Stage, unfit: list[Unfit]) -> Stage:
    """Return the stage with the training rows that can be learned.

    Raises:
        CheckError: BN207, the recipe says `error` about rows that were found; `.findings` has them.
        EmptyDataError: BN205, no training row is left.
    """
    if not unfit:
        return stage
    rows = stage.rows[TRAIN]
    findings = tuple(_finding(rows, one) for one in unfit)
    if fixes := [one.fix for one in unfit if one.action == "error"]:
        raise refusal(findings, fix=fixes[0])
    left_out = LeftOut({TRAIN: rows})
    for one in unfit:
        if one.action == "drop":
            left_out.add(TRAIN, one.code, pl.Series(one.rows))
    kept = left_out.kept()
    refuse_nothing_left(
        kept,
        lambda part: f"no {part} row is left; dropped: {counts_told(left_out.counts[part])}",
        fix="raise `task.max_output_length`",
    )
    return replace(
        stage,
        rows=stage.rows | kept,
        entries=stage.entries + left_out.entries("length"),
        findings=stage.findings + findings,
    )


def _finding(rows: pl.DataFrame, unfit: Unfit) -> Finding:
    message = f"{{n}} {{split}} row(s) {unfit.words} (first: {{first}})"
    (hit,) = hit_rows(TRAIN, rows, pl.Series(unfit.rows), message)
    return hit.finding(unfit.code, unfit.action)
