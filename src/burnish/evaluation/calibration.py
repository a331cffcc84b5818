"""Calibration: whether a probability of 0.8 is right eight times in ten.

Holds the metric `ece` and the bins of the report's reliability plot. What counts as confidence
depends on the task. Single-label: the probability of the answer given, against whether it was
right. Multi-label: each label is a yes-or-no question of its own; the mean over labels of the
error of the label's probability (class-wise ECE, Kull et al. 2019, section 2). The error is the
gap between confidence and frequency in equal-width bins, weighted by bin size (Guo et al. 2017,
"On Calibration of Modern Neural Networks", section 2).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.metrics.base import Metric, Resampler, Sums, Values

BINS = 15  # as in Guo et al. 2017; changing it changes every `ece` ever reported


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Rows whose confidence lies in (low, high]; the first bin holds 0 too."""

    low: float
    high: float
    n: int  # rows in the bin
    confidence: float  # mean confidence; nan in an empty bin
    frequency: float  # share that came true; nan in an empty bin


def _bin_of(confidence: NDArray[np.float64], bins: int) -> NDArray[np.intp]:
    """Return the bin of each confidence among equal-width ones over [0, 1], closed above."""
    return np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)


def reliability(
    confidence: NDArray[np.float64], correct: NDArray[np.bool_], *, bins: int = BINS
) -> list[ReliabilityBin]:
    """Return mean confidence and observed frequency in equal-width bins, empty ones included.

    Args:
        confidence: shape (n,); probability in [0, 1].
        correct: shape (n,); whether it came true.
        bins: number of equal-width bins over [0, 1].

    Raises:
        ValueError: the shapes differ, n is 0, or a confidence is not in [0, 1].
    """
    _check(confidence, correct)
    index = _bin_of(confidence, bins)
    count = np.bincount(index, minlength=bins)
    mean, share = (
        np.divide(
            np.bincount(index, weights=values, minlength=bins),
            count,
            out=np.full(bins, np.nan),
            where=count > 0,
        )
        for values in (confidence, correct.astype(np.float64))
    )
    edges = np.linspace(0, 1, bins + 1)
    columns = (a.tolist() for a in (edges[:-1], edges[1:], count, mean, share))
    return [
        ReliabilityBin(low=low, high=high, n=n, confidence=said, frequency=true)
        for low, high, n, said, true in zip(*columns, strict=True)
    ]


def confidence_and_outcome(
    answers: Answers,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities and what came true (0 or 1), both (n, L), or (n, 1) if single-label."""
    if answers.space.multi_label:
        return answers.scores, answers.truth.astype(np.float64)
    return answers.scores[answers.answer][:, None], answers.correct.astype(np.float64)[:, None]


def _ece(answers: Answers) -> Resampler:
    confidence, outcome = confidence_and_outcome(answers)
    n, columns = confidence.shape
    if not np.isfinite(confidence).all():
        return lambda weights: np.full(len(weights), np.nan)
    gaps = np.zeros((n, columns, BINS))
    rows, labels = np.arange(n)[:, None], np.arange(columns)
    gaps[rows, labels, _bin_of(confidence, BINS)] = confidence - outcome

    def finish(sums: NDArray[np.float64]) -> Values:
        """Sum |gap| over bins, average over labels and rows; the last column counts rows."""
        error: Values = np.abs(sums[:, :-1]).sum(axis=1) / columns / sums[:, -1]
        return error

    return Sums(np.column_stack([gaps.reshape(n, -1), np.ones(n)]), finish)


ece = Metric.fast("calibration error", _ece, higher_is_better=False, needs_scores=True)


def _check(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> None:
    if confidence.shape != correct.shape or confidence.ndim != 1:
        raise ValueError(
            f"confidence {confidence.shape} and correct {correct.shape} must both be (n,)"
        )
    if not len(confidence):
        raise ValueError("no rows: calibration of nothing is not defined")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("a confidence is not in [0, 1]; pass probabilities, not logits")
