"""Metrics of written answers that add up figures of each answer and its references.

What a pair comes to (`Statistic`) is found once and kept by `Texts`; a resample is then a
weighted sum of it, so a thousand of them are one matrix product.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import Metric, Resampler, Sums, Values, ratio
from burnish.evaluation.spaces import is_texts
from burnish.evaluation.texts import Statistic, Texts, is_exact


def of_sums(
    words: str, statistic: Statistic, finish: Callable[[NDArray[np.float64]], Values]
) -> Metric[Texts]:
    """Return a metric of what rows add up to: `finish` turns sums, (r, k), into values, (r,)."""

    def resampler(answers: Texts) -> Resampler:
        return Sums(answers.per_row(statistic), finish)

    return Metric.fast(words, resampler, applies=is_texts)


def of_mean(words: str, statistic: Callable[[str, tuple[str, ...]], float]) -> Metric[Texts]:
    """Return a metric that is the mean over rows of one figure a pair."""

    def counted(answer: str, references: tuple[str, ...]) -> tuple[float, float]:
        return statistic(answer, references), 1.0

    return of_sums(words, counted, lambda sums: ratio(sums[:, 0], sums[:, 1]))


exact_match = of_mean("exact match", is_exact)
