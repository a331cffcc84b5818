"""ROC AUC: how well the probabilities order the rows, whatever the thresholds.

Binary: of the class of interest. Otherwise the mean, over labels, of one label against the
rest; a label that no row has, or that every row has, orders nothing and is left out.
"""

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.metrics.base import Metric, Resampler, Values, Weights


def _label_auc(score: NDArray[np.float64], truth: NDArray[np.bool_]) -> Resampler:
    """Return the AUC of one label under counts of rows, shape (n, r) → (r,); nan if one-sided.

    The area is the chance that a drawn positive scores above a drawn negative, ties half. Rows
    are sorted once; each resample then needs running sums over the negatives only.
    """
    positives, negatives = np.flatnonzero(truth), np.flatnonzero(~truth)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below = np.searchsorted(score[negatives], score[positives], side="left")
    not_above = np.searchsorted(score[negatives], score[positives], side="right")

    def auc(counts: NDArray[np.float64]) -> Values:
        running = np.zeros((len(negatives) + 1, counts.shape[1]))
        np.cumsum(counts[negatives], axis=0, out=running[1:])
        drawn = counts[positives]
        area = (drawn * (running[below] + running[not_above])).sum(axis=0) / 2
        return _divide(area, drawn.sum(axis=0) * running[-1])

    return auc


def _divide(part: Values, whole: Values) -> Values:
    """Return part / whole; nan where whole is 0."""
    quotient: Values = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return quotient


def _roc_auc(answers: Answers) -> Resampler:
    binary = answers.space.is_binary
    columns = [answers.positive_column] if binary else range(len(answers.space.names))
    positives = answers.truth.sum(axis=0)
    held = (positives > 0) & (positives < len(answers))
    each = [_label_auc(answers.scores[:, j], answers.truth[:, j]) for j in columns if held[j]]
    usable = answers.has_scores and bool(each)

    def resampled(weights: Weights) -> Values:
        if not usable:
            return np.full(len(weights), np.nan)
        counts = np.ascontiguousarray(weights.T)  # rows are gathered by label: keep them whole
        values = np.array([auc(counts) for auc in each])
        return _divide(np.nansum(values, axis=0), np.isfinite(values).sum(axis=0))

    return resampled


roc_auc = Metric.fast("ROC AUC", _roc_auc, needs_scores=True)
