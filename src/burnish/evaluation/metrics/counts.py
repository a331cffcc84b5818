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
from burnish.evaluation.metrics.base import Metric, Resampler, Sums, Values, ratio, value_of
from burnish.records import LabelSpace

Counts = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
Columns = Callable[[Answers], tuple[NDArray[np.bool_], NDArray[np.bool_]]]


def f1_of(tp: NDArray[np.float64], fp: NDArray[np.float64], fn: NDArray[np.float64]) -> Values:
    """Return F1 from counts of any shape; 0 where there is nothing to count."""
    return ratio(2 * tp, 2 * tp + fp + fn)


def micro_f1_of(
    tp: NDArray[np.float64], fp: NDArray[np.float64], fn: NDArray[np.float64]
) -> Values:
    """Return F1 of the counts added over labels, shape (r, L) → (r,)."""
    return f1_of(tp.sum(axis=1), fp.sum(axis=1), fn.sum(axis=1))


def macro_f1_of(
    tp: NDArray[np.float64], fp: NDArray[np.float64], fn: NDArray[np.float64]
) -> Values:
    """Return the mean F1 over labels, shape (r, L) → (r,)."""
    return _mean(f1_of(tp, fp, fn))


def macro_precision_of(tp: NDArray[np.float64], fp: NDArray[np.float64], _: object) -> Values:
    """Return the mean precision over labels, shape (r, L) → (r,)."""
    return _mean(ratio(tp, tp + fp))


def macro_recall_of(tp: NDArray[np.float64], _: object, fn: NDArray[np.float64]) -> Values:
    """Return the mean recall over labels, shape (r, L) → (r,)."""
    return _mean(ratio(tp, tp + fn))


def _mean(by_label: NDArray[np.float64]) -> Values:
    mean: Values = by_label.mean(axis=1)
    return mean


def all_labels(answers: Answers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return truth and answer over every label, both (n, L)."""
    return answers.truth, answers.answer


def positive_only(answers: Answers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return truth and answer of the class of interest, both (n, 1)."""
    column = [answers.positive_column]
    return answers.truth[:, column], answers.answer[:, column]


def positive_or_all(answers: Answers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the class of interest where there is one, else every label."""
    return positive_only(answers) if answers.space.is_binary else all_labels(answers)


def with_no_label(answers: Answers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return truth and answer with LexGLUE's class "no label" added, both (n, L + 1)."""
    return add_no_label(answers.truth), add_no_label(answers.answer)


def add_no_label(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Append a column that is True where a row has no label, shape (n, L) → (n, L + 1)."""
    return np.column_stack([mask, ~mask.any(axis=1)])


def _counted(columns: Columns, finish: Callable[..., Values]) -> Callable[[Answers], Resampler]:
    """Return a resampler of a function of true positives, false positives, false negatives."""

    def resampler(answers: Answers) -> Resampler:
        truth, answer = columns(answers)
        each = [truth & answer, ~truth & answer, truth & ~answer]
        return Sums(
            np.hstack(each).astype(np.float64), lambda sums: finish(*np.split(sums, 3, axis=1))
        )

    return resampler


def _accuracy(answers: Answers) -> Resampler:
    right = answers.correct.astype(np.float64)
    rows = np.column_stack([right, np.ones_like(right)])
    return Sums(rows, lambda sums: ratio(sums[:, 0], sums[:, 1]))


def _is_binary(space: LabelSpace) -> bool:
    return space.is_binary


def _is_multi_label(space: LabelSpace) -> bool:
    return space.multi_label


_MICRO = _counted(all_labels, micro_f1_of)
_MACRO = _counted(all_labels, macro_f1_of)
_POSITIVE = _counted(positive_only, macro_f1_of)
_PRECISION = _counted(positive_or_all, macro_precision_of)
_RECALL = _counted(positive_or_all, macro_recall_of)
_LEXGLUE_MICRO = _counted(with_no_label, micro_f1_of)
_LEXGLUE_MACRO = _counted(with_no_label, macro_f1_of)

accuracy = Metric(words="accuracy", function=value_of(_accuracy), resampler=_accuracy)
micro_f1 = Metric(words="micro F1", function=value_of(_MICRO), resampler=_MICRO)
macro_f1 = Metric(words="macro F1", function=value_of(_MACRO), resampler=_MACRO)
f1 = Metric(
    words="F1 of the positive class",
    function=value_of(_POSITIVE),
    applies=_is_binary,
    resampler=_POSITIVE,
)
precision = Metric(words="precision", function=value_of(_PRECISION), resampler=_PRECISION)
recall = Metric(words="recall", function=value_of(_RECALL), resampler=_RECALL)
lexglue_micro_f1 = Metric(
    words="LexGLUE micro F1",
    function=value_of(_LEXGLUE_MICRO),
    applies=_is_multi_label,
    resampler=_LEXGLUE_MICRO,
)
lexglue_macro_f1 = Metric(
    words="LexGLUE macro F1",
    function=value_of(_LEXGLUE_MACRO),
    applies=_is_multi_label,
    resampler=_LEXGLUE_MACRO,
)
