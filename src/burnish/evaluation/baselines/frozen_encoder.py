"""What the encoder knows before any fine-tuning: its vectors and a logistic regression.

The rung between word counts and fine-tuning: it shows how much of the gain comes from the
pretrained encoder and how much from training it. One regression a label on standardised
vectors, C = 0.1; where thresholds apply (multi-label, binary) they are chosen for F1 as the
tuned model's are, on `choose` or on folds of the training rows, so that the rival is not
held down by the 0.5 that rare labels seldom reach.
"""

import warnings
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from burnish.errors import PredictionError
from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only
from burnish.evaluation.baselines.folds import folds_of
from burnish.evaluation.baselines.linear import LinearPerLabel, predictions_of
from burnish.evaluation.thresholds import tune_thresholds
from burnish.records import LabelSpace, Prediction

_COST = 0.1
_ITERATIONS = 100


class FrozenEncoder(Baseline):
    """Logistic regression on the vectors of an encoder that is not trained.

    Its scores are moved along the logit scale by each threshold, so that 0.5 is where a label
    is given.
    """

    needs_features: ClassVar[bool] = True

    def fit(self, rows: Rows, choose: Rows | None, space: LabelSpace, seed: int) -> None:
        """Train on `rows`; choose thresholds on `choose`, or on folds of `rows`."""
        rows = labelled_only(rows)
        self._space = space
        self._offsets = np.zeros(len(space.names))
        self._model = _Regression(rows, space, seed)
        if space.multi_label or space.is_binary:
            decisions, truth = self._held_out(rows, choose, seed)
            if len(truth):
                self._offsets = _offsets(decisions, truth, space)

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer by the sign, or the highest, of the decision values."""
        decisions = self._model.decide(rows) - self._offsets
        return predictions_of(rows, self._space, decisions)

    def _held_out(
        self, rows: Rows, choose: Rows | None, seed: int
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return decisions on rows not trained on, and their truth, both (m, L)."""
        if choose is not None and choose.labelled.any():
            held_out = labelled_only(choose)
            return self._model.decide(held_out), held_out.truth
        decisions, truth = [np.empty((0, len(self._space.names)))], [rows.truth[:0]]
        for train, scored in folds_of(rows, seed):
            model = _Regression(rows.take(train), self._space, seed)
            decisions.append(model.decide(rows.take(scored)))
            truth.append(rows.truth[scored])
        return np.vstack(decisions), np.vstack(truth)


class _Regression:
    """Standardised features and one logistic regression a label."""

    def __init__(self, rows: Rows, space: LabelSpace, seed: int) -> None:
        def make() -> LogisticRegression:
            # Newton steps: many rows, few features, and one factorisation a step.
            return LogisticRegression(
                C=_COST, solver="newton-cholesky", max_iter=_ITERATIONS, random_state=seed
            )

        features = _features(rows)
        self._scale = StandardScaler().fit(features)
        with warnings.catch_warnings():
            # A fit cut short is a slightly worse baseline, nothing a user could act on.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._linear = LinearPerLabel(make, space).fit(
                self._scale.transform(features), rows.truth
            )

    def decide(self, rows: Rows) -> NDArray[np.float64]:
        """Return decision values (log odds), shape (n, L)."""
        return self._linear.decide(self._scale.transform(_features(rows)))


def _features(rows: Rows) -> NDArray[np.float64]:
    if rows.features is None:
        raise PredictionError(
            f"the {len(rows)} row(s) come without features",
            where="baseline frozen-encoder",
            fix="encode the texts first and hand the vectors to `from_frame`",
        )
    return rows.features.astype(np.float64)


def _offsets(
    decisions: NDArray[np.float64], truth: NDArray[np.bool_], space: LabelSpace
) -> NDArray[np.float64]:
    """Return the decision value from which each label is given, shape (L,)."""
    columns = list(range(len(space.names)))
    if space.positive is not None:
        columns = [space.names.index(space.positive)]
    scores = 1 / (1 + np.exp(-decisions[:, columns].clip(-30, 30)))
    thresholds = tune_thresholds(scores, truth[:, columns])
    logits: NDArray[np.float64] = np.log(thresholds / (1 - thresholds))
    if space.positive is None:
        return logits
    return np.array([logits[0] if i in columns else -logits[0] for i in range(len(space.names))])
