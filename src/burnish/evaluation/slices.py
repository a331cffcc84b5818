"""Metrics by the values of a column: where a good average hides a bad corner.

Called by the pipeline for each column of `evaluation.slices`. Every row falls into exactly one
slice of a column, so the slices' rows add up to the split's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Unpack

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.answered import Answered
from burnish.evaluation.bootstrap import Draws
from burnish.evaluation.groups import renumbered
from burnish.evaluation.score import score_answers

NONE, OTHER = "(none)", "(other)"
_MOST_SLICES = 12  # named ones; rarer values share `(other)`
_BANDS = 4  # for numbers and times of many values: quarters of the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceScore:
    """One metric of one system on the rows of one slice, with its 95 % interval."""

    column: str
    value: str  # the slice, as text
    metric: str
    score: float
    low: float
    high: float
    n: int  # rows in the slice


def slice_scores(
    system: str,
    split: str,
    answers: Answered,
    column: pl.Series,
    *,
    metrics: Sequence[str],
    **draws: Unpack[Draws],
) -> list[SliceScore]:
    """Return the metrics of each slice of a column, slices by name, `(none)`, `(other)` last.

    The column holds a value for each row of `answers`, in the same order. A metric that a
    slice does not allow is left out there. For `draws` see `bootstrap.Draws`.

    Raises:
        PredictionError: BN602, the column has another number of rows.
    """
    _check_length(column, answers, where=f"slices of {system} on {split}")
    of_row = np.array(slice_of(column), dtype=object)
    parts = sorted(set(of_row), key=lambda value: (value in (NONE, OTHER), value))
    rows_of = {value: np.flatnonzero(of_row == value) for value in parts}
    return [
        SliceScore(
            column=column.name.removeprefix("meta:"),
            value=value,
            metric=score.metric,
            score=score.value,
            low=score.low,
            high=score.high,
            n=score.n,
        )
        for value, rows in rows_of.items()
        for score in score_answers(
            system, split, answers.take(rows), metrics=metrics, **_drawn_from(rows, draws)
        )
    ]


def _drawn_from(rows: NDArray[np.intp], draws: Draws) -> Draws:
    """Return the draws of some rows only: of the groups that these rows are of."""
    groups = draws.get("groups")
    return draws if groups is None else {**draws, "groups": renumbered(groups[rows])}


def _check_length(column: pl.Series, answers: Answered, *, where: str) -> None:
    if len(column) != len(answers):
        raise PredictionError(
            f"column {column.name!r} has {len(column)} values for {len(answers)} rows",
            where=where,
            fix="take the column from the rows that were predicted, in their order",
        )


def slice_of(column: pl.Series) -> list[str]:
    """Return the slice of each value, as text.

    Values of up to 12 kinds are slices of their own. Of more, numbers and times are cut into
    quarters of the rows, named by their ends, and of all others the 12 most frequent keep their
    names and the rest is `(other)`. Nulls are `(none)`.
    """
    kinds = column.drop_nulls().n_unique()
    if kinds > _MOST_SLICES and (column.dtype.is_numeric() or column.dtype.is_temporal()):
        return _bands(column)
    text = [NONE if value is None else str(value) for value in column.to_list()]
    if kinds <= _MOST_SLICES:
        return text
    count = Counter(text)
    ranked = sorted(count.keys() - {NONE}, key=lambda value: (-count[value], value))
    kept = {NONE, *ranked[:_MOST_SLICES]}
    return [value if value in kept else OTHER for value in text]


def _bands(column: pl.Series) -> list[str]:
    """Cut ordered values into bands of about equally many rows; equal values stay together."""
    there = len(column) - column.null_count()
    rows = pl.DataFrame({"value": column, "band": (column.rank("min") - 1) * _BANDS // there})
    ends = rows.group_by("band").agg(low=pl.col("value").min(), high=pl.col("value").max())
    names = {
        band: NONE if band is None else f"{band + 1}: {_short(low)} to {_short(high)}"
        for band, low, high in ends.iter_rows()
    }
    return [names[band] for band in rows["band"]]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
