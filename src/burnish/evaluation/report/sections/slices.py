"""The score on parts of the judged rows: by the recipe's columns, and by length of the text.

A macro average over a part that lacks some labels would punish the part for its labels, so
parts are told by the micro average where the verdict speaks of the macro one.
"""

from typing import Any

import polars as pl

from burnish.evaluation.answered import Answered
from burnish.evaluation.bootstrap import Draws
from burnish.evaluation.groups import groups_of
from burnish.evaluation.metrics.table import METRICS, first_fit
from burnish.evaluation.report.runfiles import TUNED, Absent, RunFiles
from burnish.evaluation.report.scales import scale_of
from burnish.evaluation.report.words import is_number, is_share, lower_is_better, ticks_of
from burnish.evaluation.slices import slice_scores

_RESAMPLES = 1000
_INSTEAD = {"macro_f1": "micro_f1", "lexglue_macro_f1": "lexglue_micro_f1"}
_LENGTH = "words in the text"


def view(run: RunFiles) -> dict[str, Any]:
    """Return one plot a column."""
    answers = run.answers()
    if run.rows is None or "id" not in run.rows.columns:
        raise Absent(f"splits/{run.split}.parquet is not in the run folder.")
    metric = _metric(run.metric, answers)
    whole = METRICS.get(metric).function(answers)
    draws = Draws(resamples=_RESAMPLES, groups=groups_of(run.rows, answers.ids))
    columns = [
        _column(run.split, column, answers, metric, whole, draws)
        for column in _columns(run.rows, answers)
        if column.n_unique() > 1
    ]
    if not columns:
        raise Absent("The rows fall into one part only.")
    return {"columns": columns}


def _metric(wanted: str, answers: Answered) -> str:
    return first_fit((_INSTEAD.get(wanted, wanted), "accuracy"), answers.space)


def _columns(rows: pl.DataFrame, answers: Answered) -> list[pl.Series]:
    """Return the columns to slice by, in the order of the answers; null where a row is unknown."""
    if "text" in rows.columns:
        words = pl.col("text").str.split(" ").list.len().alias(f"meta:{_LENGTH}")
        rows = rows.with_columns(words)
    rows = rows.with_columns(pl.col("id").cast(pl.String)).unique("id", keep="first")
    ordered = pl.DataFrame({"id": answers.ids}).join(
        rows, on="id", how="left", maintain_order="left"
    )
    return [ordered[name] for name in ordered.columns if name.startswith("meta:")]


def _column(
    split: str, column: pl.Series, answers: Answered, metric: str, whole: float, draws: Draws
) -> dict[str, Any]:
    found = slice_scores(TUNED, split, answers, column, metrics=[metric], **draws)
    found.sort(key=lambda part: part.score, reverse=lower_is_better(metric))
    ends = [v for part in found for v in (part.score, part.low, part.high)]
    scale = scale_of([*ends, whole], label=ticks_of(metric))
    return {
        "name": column.name.removeprefix("meta:"),
        "metric": metric,
        "share": is_share(metric),
        "scale": scale,
        "whole": scale.at(whole) if is_number(whole) else None,
        "rows": [(part, scale.place(part.score, part.low, part.high)) for part in found],
    }
