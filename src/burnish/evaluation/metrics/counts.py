"""Metrics of counts: accuracy and the F1 family.

Averages run over every label of the task, and a label that is neither there nor answered
counts 0, as in scikit-learn with `labels` set and `zero_division=0`. The set of classes
averaged then never depends on which rows were drawn.

`lexglue_*`: the benchmark adds a class "no label" to truth and answer before F1
(Chalkidis et al. 2022, "LexGLUE", section 4.1), so a row without labels can be right.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answers import Answers
from burnish.evaluation.metrics.base import Metric, Resampler, Sums, Values, ratio
from burnish.evaluation.spaces import is_binary, is_multi_label

Masks = tuple[NDArray[np.bool_], NDArray[np.bool_]]  # truth and answer, both (n, columns)
Counts = NDArray[np.float64]  # of true positives and the like, shape (r, columns)


def f1_of(tp: Counts, fp: Counts, fn: Counts) -> Counts:
    """Return F1 from counts of any shape; 0 where there is nothing to count."""
    return ratio(2 * tp, 2 * tp + fp + fn)


def precision_of(tp: Counts, fp: Counts, _: Counts) -> Counts:
    """Return precision from counts of any shape; 0 where nothing was given."""
    return ratio(tp, tp + fp)


def recall_of(tp: Counts, _: Counts, fn: Counts) -> Counts:
    """Return recall from counts of any shape; 0 where there is nothing to find."""
    return ratio(tp, tp + fn)


def all_labels(answers: Answers) -> Masks:
    """Return truth and answer over every label, both (n, L)."""
    return answers.truth, answers.answer


def positive_or_all(answers: Answers) -> Masks:
    """Return the class of interest where there is one, both (n, 1), else every label."""
    if not answers.space.is_binary:
        return all_labels(answers)
    column = [answers.positive_column]
    return answers.truth[:, column], answers.answer[:, column]


def with_no_label(answers: Answers) -> Masks:
    """Return truth and answer with LexGLUE's class "no label" added, both (n, L + 1)."""
    return add_no_label(answers.truth), add_no_label(answers.answer)


def add_no_label(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Append a column that is True where a row has no label, shape (n, L) → (n, L + 1)."""
    return np.column_stack([mask, ~mask.any(axis=1)])


def _counted(
    masks: Callable[[Answers], Masks], rate: Callable[..., Counts], *, micro: bool = False
) -> Callable[[Answers], Resampler]:
    """Return a resampler of a rate of true positives, false positives and false negatives.

    The mean over labels of the rate of each; `micro`: the rate of the counts of all together.
    """

    def finish(sums: NDArray[np.float64]) -> Values:
        counts = np.split(sums, 3, axis=1)
        if micro:
            counts = [count.sum(axis=1, keepdims=True) for count in counts]
        mean: Values = rate(*counts).mean(axis=1)
        return mean

    def resampler(answers: Answers) -> Resampler:
        truth, answer = masks(answers)
        each = np.hstack([truth & answer, ~truth & answer, truth & ~answer])
        return Sums(each.astype(np.float64), finish)

    return resampler


def _accuracy(answers: Answers) -> Resampler:
    right = answers.correct.astype(np.float64)
    rows = np.column_stack([right, np.ones_like(right)])
    return Sums(rows, lambda sums: ratio(sums[:, 0], sums[:, 1]))


accuracy = Metric.fast("accuracy", _accuracy)
micro_f1 = Metric.fast("micro F1", _counted(all_labels, f1_of, micro=True))
macro_f1 = Metric.fast("macro F1", _counted(all_labels, f1_of))
f1 = Metric.fast("F1 of the positive class", _counted(positive_or_all, f1_of), applies=is_binary)
precision = Metric.fast("precision", _counted(positive_or_all, precision_of))
recall = Metric.fast("recall", _counted(positive_or_all, recall_of))
lexglue_micro_f1 = Metric.fast(
    "LexGLUE micro F1", _counted(with_no_label, f1_of, micro=True), applies=is_multi_label
)
lexglue_macro_f1 = Metric.fast(
    "LexGLUE macro F1", _counted(with_no_label, f1_of), applies=is_multi_label
)
