"""What a metric is: a number from answers, and a fast way to get it for resampled rows.

A bootstrap resample is a row of weights: how often each row was drawn. Most metrics are
functions of sums over rows (true positives, correct answers), so a thousand resamples are one
matrix product. A metric that only has `function` still works; it is just slower to resample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answered import A
from burnish.evaluation.metrics.units import POINTS, Unit
from burnish.evaluation.spaces import is_labels
from burnish.records import Space

Weights = NDArray[np.float64]  # shape (resamples, n); how often each row counts
Values = NDArray[np.float64]  # shape (resamples,)
Resampler = Callable[[Weights], Values]

_CELLS = 4_000_000  # weights held at a time; 32 MB as float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a metric lacks where it has no value."""

    short: str  # as in "needs probabilities"
    full: str


PROBABILITIES = Needs(
    short="probabilities",
    full="a probability for every label, and rows with and without the label",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Generic[A]):
    """One metric of one kind of answers; nan where they do not allow it.

    Values are fractions unless `unit` says otherwise.
    """

    words: str  # name for people, as in "macro F1"
    function: Callable[[A], float]
    applies: Callable[[Space], bool] = is_labels
    higher_is_better: bool = True
    needs_scores: bool = False  # nan for a system that gives answers without scores
    needs: Needs = PROBABILITIES  # what scores, for the words that say they are missing
    pairs: bool = True  # whether answers handed out to other rows can be scored; see `skill`
    unit: Unit = POINTS
    resampler: Callable[[A], Resampler] | None = None  # None: `function` row by row

    def resample(self, answers: A) -> Resampler:
        """Return a function of weights (r, n) that gives the metric of each resample, (r,)."""
        if self.resampler is not None:
            return self.resampler(answers)

        def one_by_one(weights: Weights) -> Values:
            rows = np.arange(len(answers))
            drawn = (np.repeat(rows, counts.astype(np.int64)) for counts in weights)
            return np.array([self.function(answers.take(index)) for index in drawn])

        return one_by_one

    @classmethod
    def fast(cls, words: str, resampler: Callable[[A], Resampler], **options: Any) -> "Metric[A]":
        """Return a metric whose value is its resampler's, every row counted once."""

        def value(answers: A) -> float:
            return float(resampler(answers)(np.ones((1, len(answers))))[0])

        return cls(words=words, function=value, resampler=resampler, **options)


@dataclass(frozen=True, slots=True)
class Sums:
    """A metric that depends on the rows through sums only."""

    rows: NDArray[np.float64]  # shape (n, k): what each row adds to each of k sums
    finish: Callable[[NDArray[np.float64]], Values]  # sums (r, k) → metric (r,)

    def __call__(self, weights: Weights) -> Values:
        """Return the metric under each row of `weights`, shape (r, n) → (r,)."""
        return self.finish(weights @ self.rows)


def by_row(metric: Metric[A], answers: A) -> Values:
    """Return the metric of each row by itself, shape (n,); nan where one row allows none."""
    n, value = len(answers), metric.resample(answers)
    size = max(1, _CELLS // n)
    starts = range(0, n, size)
    return np.concatenate([value(np.eye(min(size, n - at), n, at)) for at in starts])


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return part / whole, and 0 where whole is 0 (nothing to find and nothing found)."""
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
