"""One linear classifier a label: what the SVM baselines share.

Multi-label: a label is given where its decision value is above 0. Multi-class: the highest
decision wins. Binary: one classifier, for the class of interest.

An SVM has no probabilities. Its scores here are `1 / (1 + exp(-decision))`: 0.5 exactly where
the decision is 0, in the same order as the decisions, but not calibrated; judge an SVM's `ece`
with that in mind. For more than two exclusive classes they are divided by their sum.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from burnish.evaluation.baselines.base import Rows, to_predictions
from burnish.evaluation.metrics.base import ratio
from burnish.records import LabelSpace, Prediction

Matrix = Any  # scipy.sparse.csr_matrix, shape (n, features), or an array of that shape
MakeClassifier = Callable[[], Any]  # an unfitted scikit-learn classifier with decision_function

_NEVER = 50.0  # decision for a label that no (or every) training row has; its sigmoid is 0 (or 1)


class LinearPerLabel:
    """Decision values for every label, from one classifier each."""

    def __init__(self, make: MakeClassifier, space: LabelSpace) -> None:
        self._make, self._space = make, space
        self._parts: list[Any] = []

    def fit(self, features: Matrix, truth: NDArray[np.bool_]) -> "LinearPerLabel":
        """Fit on features (n, f) and labels (n, L); a label that is constant needs no fit."""
        self._parts = [self._fit_one(features, truth[:, j]) for j in self._columns()]
        return self

    def decide(self, features: Matrix) -> NDArray[np.float64]:
        """Return decision values, shape (n, L); above 0 speaks for the label."""
        n = features.shape[0]
        columns = [
            np.full(n, part) if isinstance(part, float) else part.decision_function(features)
            for part in self._parts
        ]
        if not self._space.is_binary:
            return np.column_stack(columns)
        decisions = np.column_stack([-columns[0], columns[0]])
        return decisions if self._columns() == [1] else decisions[:, ::-1]

    def _columns(self) -> list[int]:
        names = self._space.names
        if self._space.positive is None:
            return list(range(len(names)))
        return [names.index(self._space.positive)]

    def _fit_one(self, features: Matrix, held: NDArray[np.bool_]) -> Any:
        if held.all() or not held.any():
            return _NEVER if held.all() else -_NEVER
        return self._make().fit(features, held)


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
