"""Metrics by the values of a column: where a good average hides a bad corner.

Called by the pipeline for each column of `evaluation.slices`. Every row falls into exactly one
slice of a column, so the slices' rows add up to the split's.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from burnish.errors import PredictionError
from burnish.evaluation.answers import Answers
from burnish.evaluation.score import score_answers

NONE, OTHER = "(none)", "(other)"
_MOST_SLICES = 12  # named ones; rarer values share `(other)`
_BANDS = 4  # for numbers and times of many values: quarters of the rows


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceScore:
    """One metric of one system on the rows of one slice, with its 95 % interval."""

    system: str
    split: str
    column: str
    value: str  # the slice, as text
    metric: str
    score: float
    low: float
    high: float
    n: int  # rows in the slice

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def slice_scores(
    system: str,
    split: str,
    answers: Answers,
    column: pl.Series,
    *,
    metrics: Sequence[str],
    resamples: int = 1000,
    seed: int = 0,
) -> list[SliceScore]:
    """Return the metrics of each slice, slices in the order of `slice_names`.

    Args:
        system: whose answers these are.
        split: which rows they are.
        answers: the answers, n rows.
        column: n values in the same order; its name is the column's.
        metrics: registered names; one that a slice does not allow is left out there.
        resamples: bootstrap draws behind each interval.
        seed: of the draws.

    Raises:
        PredictionError: BN602, the column has another number of rows.
    """
    if len(column) != len(answers):
        raise PredictionError(
            f"column {column.name!r} has {len(column)} values for {len(answers)} rows",
            where=f"slices of {system} on {split}",
            fix="take the column from the rows that were predicted, in their order",
        )
    of_row = np.array(slice_of(column), dtype=object)
    return [
        SliceScore(
            system=system,
            split=split,
            column=column.name.removeprefix("meta:"),
            value=value,
            metric=score.metric,
            score=score.value,
            low=score.low,
            high=score.high,
            n=score.n,
        )
        for value in dict.fromkeys(sorted(of_row, key=_named_first))
        for score in score_answers(
            system,
            split,
            answers.take(np.flatnonzero(of_row == value)),
            metrics=metrics,
            resamples=resamples,
            seed=seed,
        )
    ]


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
    count: dict[str, int] = {}
    for value in text:
        count[value] = count.get(value, 0) + 1
    ranked = sorted((v for v in count if v != NONE), key=lambda v: (-count[v], v))
    kept = {NONE, *ranked[:_MOST_SLICES]}
    return [value if value in kept else OTHER for value in text]


def _bands(column: pl.Series) -> list[str]:
    """Cut ordered values into bands of about equally many rows; equal values stay together."""
    rank = (column.rank("min") - 1).to_list()
    there = len(column) - column.null_count()
    band = [None if r is None else int(r * _BANDS / there) for r in rank]
    values = column.to_list()
    names = {}
    for number in sorted({b for b in band if b is not None}):
        held = [v for v, b in zip(values, band, strict=True) if b == number]
        low, high = min(held), max(held)
        names[number] = f"{number + 1}: {_short(low)} to {_short(high)}"
    return [NONE if b is None else names[b] for b in band]


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _named_first(value: str) -> tuple[bool, str]:
    return (value in (NONE, OTHER), value)
