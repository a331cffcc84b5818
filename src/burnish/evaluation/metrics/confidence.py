"""Expected calibration error as a metric, with what counts as confidence for each task.

Single-label: the probability of the answer given, against whether it was right. Multi-label:
each label is a yes-or-no question of its own; the mean over labels of the error of the
label's probability (class-wise ECE, Kull et al. 2019, section 2).
"""

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.calibration import BINS, bin_of
from burnish.evaluation.metrics.base import Metric, Resampler, Sums, Values, value_of


def confidence_and_outcome(
    answers: Answers,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return probabilities and what came true (0 or 1), both (n, L), or (n, 1) if single-label."""
    if answers.space.multi_label:
        return answers.scores, answers.truth.astype(np.float64)
    answered = answers.answer.argmax(axis=1)
    chosen = answers.scores[np.arange(len(answers)), answered]
    return chosen[:, None], answers.correct.astype(np.float64)[:, None]


def _ece(answers: Answers) -> Resampler:
    confidence, outcome = confidence_and_outcome(answers)
    n, columns = confidence.shape
    if not np.isfinite(confidence).all():
        return lambda weights: np.full(len(weights), np.nan)
    gaps = np.zeros((n, columns, BINS))
    rows, labels = np.arange(n)[:, None], np.arange(columns)
    gaps[rows, labels, bin_of(confidence, BINS)] = confidence - outcome

    def finish(sums: NDArray[np.float64]) -> Values:
        """Sum |gap| over bins, average over labels and rows; the last column counts rows."""
        error: Values = np.abs(sums[:, :-1]).sum(axis=1) / columns / sums[:, -1]
        return error

    return Sums(np.column_stack([gaps.reshape(n, -1), np.ones(n)]), finish)


ece = Metric(
    words="calibration error",
    function=value_of(_ece),
    higher_is_better=False,
    needs_scores=True,
    resampler=_ece,
)
