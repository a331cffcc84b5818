"""Resample rows many times at once, to tell how far a metric could be off by chance.

A resample draws n rows with replacement; only how often each row was drawn matters, so a
resample is a row of counts and a thousand of them a matrix. Systems are compared under the
same counts: what makes a row hard for both then cancels out.

Rows of one document resemble each other. Give `groups` to draw whole groups instead of rows
(cluster bootstrap): intervals become wider and honest about new documents. It needs groups in
number (20 or more), and is off unless asked for.
Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 13 and 16.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import Resampler, Values, Weights

_CELLS = 4_000_000  # counts held at a time; 32 MB as float64

Groups = Sequence[Hashable]


class Draws(TypedDict, total=False):
    """How to resample; the keyword arguments that every function with intervals hands on."""

    resamples: int  # draws behind each interval; 2,000 unless given
    seed: int  # the same seed gives the same draws; 0 unless given
    groups: Groups | None  # one a row, to draw whole groups; None, the default, draws rows


def draw(
    n: int, *, resamples: int = 2000, seed: int = 0, groups: Groups | None = None
) -> Iterator[Weights]:
    """Yield how often each of n rows is drawn, in blocks of shape (some, n).

    The blocks hold `resamples` rows together; their size depends on n only, so the same seed
    gives the same draws. Each block fits in 32 MB (or is one row).

    Raises:
        ValueError: n is 0, or `groups` has not n members.
    """
    if n == 0:
        raise ValueError("no rows to draw from")
    unit = None if groups is None else group_numbers(groups, n)
    units = n if unit is None else int(unit.max()) + 1
    rng = np.random.default_rng(seed)
    block = max(1, _CELLS // max(n, units))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(units, size=(size, units))
        drawn += np.arange(size)[:, None] * units
        counts = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
        yield counts.astype(np.float64) if unit is None else counts[:, unit].astype(np.float64)


def resample(metrics: Sequence[Resampler], n: int, **draws: Unpack[Draws]) -> NDArray[np.float64]:
    """Return each metric under the same resamples, shape (len(metrics), resamples)."""
    blocks = [
        np.array([metric(weights) for metric in metrics]).reshape(-1, len(weights))
        for weights in draw(n, **draws)
    ]
    return np.hstack(blocks)


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


def group_numbers(groups: Groups, n: int) -> NDArray[np.intp]:
    """Number the groups 0, 1, … by first appearance; a row without group is one by itself."""
    if len(groups) != n:
        raise ValueError(f"{len(groups)} groups for {n} rows; give one a row")
    seen: dict[Hashable, int] = {}
    keys = [("row", i) if g is None else ("group", g) for i, g in enumerate(groups)]
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)
