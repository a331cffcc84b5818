"""Choose the probability from which each label is given, for the best F1.

A threshold chosen for each label alone fits the noise of rare labels: with ten positives, one
lucky row moves the best cut by tenths. So each label's own choice is pulled towards one
threshold shared by all labels, the more the fewer positives it has. Both are found as the
middle of the range of cuts that are about as good as the best, not the single best cut.

Measured on UNFAIR-ToS (out-of-fold decision values of the SVM, thresholds chosen on 15 of 30
documents, scored on the others, 60 draws): LexGLUE macro F1 76.1 with 0.5 everywhere, 75.6 with
each label's single best cut, 76.9 with the settings below.

Called by the tasks after training, on rows that are not judged afterwards.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from burnish.evaluation.answers import Answers
from burnish.evaluation.metrics.base import ratio

SHRINKAGE = 80.0  # positives at which own and shared threshold count the same
_CUTS = 199  # candidate thresholds, evenly spaced in logits
_LOGIT_RANGE = 6.0  # candidates lie between probabilities of 0.0025 and 0.9975
_TINY = 1e-9  # keeps logits finite
_AS_GOOD = 0.95  # share of the best F1 that counts as equally good


def tune_thresholds(
    scores: NDArray[np.floating],
    truth: NDArray[np.bool_],
    *,
    shrinkage: float = SHRINKAGE,
) -> NDArray[np.float64]:
    """Return one threshold a label; a label is given where its score is at or above it.

    Args:
        scores: shape (n, L); probabilities in [0, 1].
        truth: shape (n, L); which labels each row has.
        shrinkage: positives at which a label's own choice and the shared one weigh the same;
            0 trusts each label's own choice, infinity uses one threshold for all.

    Returns:
        Shape (L,), each in (0, 1). A label without positives gets the shared threshold; where no
        label has any, 0.5.

    Raises:
        ValueError: the shapes differ, n is 0, or a score is not in [0, 1].
    """
    _check(scores, truth)
    cuts = np.linspace(-_LOGIT_RANGE, _LOGIT_RANGE, _CUTS)
    curves = _f1_curves(logit(scores.astype(np.float64).clip(_TINY, 1 - _TINY)), truth, cuts)
    positives = truth.sum(axis=0)
    held = positives > 0
    if not held.any():
        return np.full(truth.shape[1], 0.5)
    shared = _middle_of_best(curves[held].mean(axis=0), cuts)
    own = np.array([_middle_of_best(curve, cuts) for curve in curves])
    trust = np.where(held, positives / np.maximum(positives + shrinkage, 1e-12), 0.0)
    thresholds: NDArray[np.float64] = expit(shared + trust * (own - shared))
    return thresholds


def rechoose(answers: Answers) -> Answers:
    """Return the answers with thresholds chosen anew on these rows.

    Multi-label and binary answers follow from thresholds; multi-class ones have none and come
    back as they are, as do answers without scores. For `verdict.decide`, when the rows that
    chose also judge.
    """
    space = answers.space
    if not answers.has_scores or not (space.multi_label or space.is_binary):
        return answers
    if space.multi_label:
        thresholds = tune_thresholds(answers.scores, answers.truth)
        return replace(answers, answer=answers.scores >= thresholds)
    column = [answers.positive_column]
    scores = answers.scores[:, column]
    given = scores >= tune_thresholds(scores, answers.truth[:, column])
    return replace(answers, answer=given == (np.arange(2) == column))


def _f1_curves(
    logits: NDArray[np.float64], truth: NDArray[np.bool_], cuts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the F1 of each label at each cut, shape (L, cuts)."""
    curves = []
    for score, held in zip(logits.T, truth.T, strict=True):
        everyone, positives = np.sort(score), np.sort(score[held])
        given = len(everyone) - np.searchsorted(everyone, cuts, side="left")
        right = len(positives) - np.searchsorted(positives, cuts, side="left")
        curves.append(
            ratio(2 * right.astype(np.float64), (given + len(positives)).astype(np.float64))
        )
    return np.array(curves)


def _middle_of_best(curve: NDArray[np.float64], cuts: NDArray[np.float64]) -> float:
    """Return the middle of the cuts around the best that are about as good as it."""
    best = int(curve.argmax())
    bad = np.flatnonzero(curve < _AS_GOOD * curve[best])
    first = bad[bad < best].max(initial=-1) + 1
    last = bad[bad > best].min(initial=len(cuts)) - 1
    return float((cuts[first] + cuts[last]) / 2)


def _check(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> None:
    if scores.shape != truth.shape or scores.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"scores {scores.shape} and truth {truth.shape} must both be (n, labels)")
    if not len(scores):
        raise ValueError("no rows to choose thresholds on")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("a score is not in [0, 1]; pass probabilities, not logits")
