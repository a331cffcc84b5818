"""One linear classifier a label: what the SVM baselines share.

Multi-label: a label is given where its decision value is above 0. Multi-class: the highest
decision wins. Binary: one classifier, for the class of interest.

An SVM has no probabilities. Its scores here are `1 / (1 + exp(-decision))`: 0.5 exactly where
the decision is 0, in the same order as the decisions, but not calibrated; judge an SVM's `ece`
with that in mind. For more than two exclusive classes they are divided by their sum.
"""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from burnish.evaluation.baselines.base import Rows, to_predictions
from burnish.evaluation.metrics.base import ratio
from burnish.records import LabelSpace, Prediction

Matrix = Any  # scipy.sparse.csr_matrix, shape (n, features), or an array of that shape

_NEVER = 50.0  # decision for a label that no (or every) training row has; its sigmoid is 0 (or 1)


class LinearPerLabel:
    """Decision values for every label, from one classifier each."""

    def __init__(
        self, classifier: Any, features: Matrix, truth: NDArray[np.bool_], space: LabelSpace
    ) -> None:
        """Fit copies of a classifier on features (n, f) and labels (n, L).

        A label that every row has, or none, needs no fit.
        """
        self._space = space
        columns = label_columns(space)
        with warnings.catch_warnings():
            # A fit cut short is a slightly worse baseline, nothing a user could act on.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._parts = [_fitted(classifier, features, truth[:, j]) for j in columns]

    def decide(self, features: Matrix) -> NDArray[np.float64]:
        """Return decision values, shape (n, L); above 0 speaks for the label."""
        n = features.shape[0]
        columns = [
            np.full(n, part) if isinstance(part, float) else part.decision_function(features)
            for part in self._parts
        ]
        if not self._space.is_binary:
            return np.column_stack(columns)
        return both_ways(columns[0], self._space)


def _fitted(classifier: Any, features: Matrix, held: NDArray[np.bool_]) -> Any:
    if held.all() or not held.any():
        return _NEVER if held.all() else -_NEVER
    return clone(classifier).fit(features, held)


def label_columns(space: LabelSpace) -> list[int]:
    """Return the columns that need a decision of their own: if binary, the class of interest."""
    if space.positive is None:
        return list(range(len(space.names)))
    return [space.names.index(space.positive)]


def both_ways(decision: NDArray[np.float64], space: LabelSpace) -> NDArray[np.float64]:
    """Return the class of interest's decisions for both classes, shape (n,) → (n, 2)."""
    decisions = np.column_stack([-decision, decision])
    return decisions if label_columns(space) == [1] else decisions[:, ::-1]


def answer_of(decisions: NDArray[np.float64], space: LabelSpace) -> NDArray[np.bool_]:
    """Return the labels given, shape (n, L)."""
    if space.multi_label:
        given: NDArray[np.bool_] = decisions > 0
        return given
    highest: NDArray[np.bool_] = np.arange(decisions.shape[1]) == decisions.argmax(axis=1)[:, None]
    return highest


def scores_of(decisions: NDArray[np.float64], space: LabelSpace) -> NDArray[np.float64]:
    """Return decision values as scores in [0, 1], shape (n, L); see the module's docstring."""
    scores: NDArray[np.float64] = expit(decisions)
    if space.multi_label or space.is_binary:
        return scores
    return ratio(scores, np.broadcast_to(scores.sum(axis=1, keepdims=True), scores.shape))


def predictions_of(
    rows: Rows, space: LabelSpace, decisions: NDArray[np.float64]
) -> list[Prediction]:
    """Return decision values as predictions."""
    return to_predictions(rows, space, answer_of(decisions, space), scores_of(decisions, space))
