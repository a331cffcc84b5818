"""Resample rows many times at once, to tell how far a metric could be off by chance.

A resample draws n rows with replacement; only how often each row was drawn matters, so a
resample is a row of counts and a thousand of them a matrix. Systems are compared under the
same counts: what makes a row hard for both then cancels out. Where rows belong to groups, such
as sentences to documents, whole groups are drawn: their rows are alike, and so worth fewer.
Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 10, 13 and 16.
"""

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import Resampler, Values, Weights

_CELLS = 4_000_000  # counts held at a time; 32 MB as float64


class Draws(TypedDict, total=False):
    """How to resample; the keyword arguments that every function with intervals hands on."""

    resamples: int  # draws behind each interval; 2,000 unless given
    seed: int  # the same seed gives the same draws; 0 unless given
    groups: NDArray[np.intp] | None  # shape (n,), each row's group from 0 up; None: none


def draw(
    n: int, *, resamples: int = 2000, seed: int = 0, groups: NDArray[np.intp] | None = None
) -> Iterator[Weights]:
    """Yield how often each of n rows is drawn, in blocks of shape (some, n).

    The blocks hold `resamples` rows together; their size depends on n only, so the same seed
    gives the same draws. Each block fits in 32 MB (or is one row). With groups, as many groups
    are drawn as there are, each with all its rows.

    Raises:
        ValueError: n is 0.
    """
    if n == 0:
        raise ValueError("no rows to draw from")
    rng = np.random.default_rng(seed)
    units = n if groups is None else int(groups.max()) + 1
    block = max(1, _CELLS // n)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(units, size=(size, units))
        drawn += np.arange(size)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        yield (counts if groups is None else counts[:, groups]).astype(np.float64)


def resample(metrics: Sequence[Resampler], n: int, **draws: Unpack[Draws]) -> NDArray[np.float64]:
    """Return each metric under the same resamples, shape (len(metrics), resamples)."""
    blocks = [
        np.array([metric(weights) for metric in metrics]).reshape(-1, len(weights))
        for weights in draw(n, **draws)
    ]
    return np.hstack(blocks)


def centred(values: Values, value: float) -> Values:
    """Return resampled values of one system, shape (resamples,), moved to have the mean `value`.

    A metric that leans to one side under resampling, as macro F1 does where a rare class is not
    drawn and counts 0, lies apart from the value on the whole data by its bias, not by chance.
    None is moved beyond the furthest that a resample gave (or `value`), so no share leaves 0
    to 1. Not for the difference of two systems on the same rows: their biases cancel.
    """
    finite = values[np.isfinite(values)]
    if np.isnan(value) or not len(finite):
        return values
    ends = min(finite.min(), value), max(finite.max(), value)
    moved: Values = np.clip(values - finite.mean() + value, *ends)
    return moved


def interval(values: Values, *, around: float | None = None) -> tuple[float, float]:
    """Return the 2.5 % and 97.5 % points of resampled values, shape (resamples,).

    `around` is the value on the whole data; the interval is widened to hold it, which matters
    for skewed metrics such as calibration error. (nan, nan) where a resample gave no value
    in more than half of the draws.
    """
    finite = values[np.isfinite(values)]
    if len(finite) * 2 < len(values):
        return (float("nan"), float("nan"))
    low, high = (float(point) for point in np.quantile(finite, (0.025, 0.975)))
    if around is None or np.isnan(around):
        return low, high
    return min(low, around), max(high, around)
