"""What the encoder knows before any fine-tuning: its vectors and a logistic regression.

The rung between word counts and fine-tuning: it shows how much of the gain comes from the
pretrained encoder and how much from training it. One regression a label on standardised
vectors, C = 0.1; where thresholds apply (multi-label, binary) they are chosen for F1 as the
tuned model's are, on `choose` or on folds of the training rows, so that the rival is not
held down by the 0.5 that rare labels seldom reach.
"""

from collections.abc import Callable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from burnish.errors import PredictionError
from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only
from burnish.evaluation.baselines.folds import folds_of
from burnish.evaluation.baselines.linear import (
    LinearPerLabel,
    both_ways,
    label_columns,
    predictions_of,
)
from burnish.evaluation.thresholds import tune_thresholds
from burnish.records import LabelSpace, Prediction

_COST = 0.1
_ITERATIONS = 100


class FrozenEncoder(Baseline[LabelSpace]):
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
        self._decide = _trained(rows, space, seed)
        if space.multi_label or space.is_binary:
            decided = list(self._held_out(rows, choose, seed))
            if decided:
                decisions, truth = (np.vstack(parts) for parts in zip(*decided, strict=True))
                self._offsets = _offsets(decisions, truth, space)

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer by the sign, or the highest, of the decision values."""
        return predictions_of(rows, self._space, self._decide(rows) - self._offsets)

    def _held_out(
        self, rows: Rows, choose: Rows | None, seed: int
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.bool_]]]:
        """Yield decisions on rows not trained on, and their truth, both (m, L)."""
        if choose is not None and choose.labelled.any():
            held_out = labelled_only(choose)
            yield self._decide(held_out), held_out.truth
            return
        for train, scored in folds_of(rows, seed):
            decide = _trained(rows.take(train), self._space, seed)
            yield decide(rows.take(scored)), rows.truth[scored]


def _trained(rows: Rows, space: LabelSpace, seed: int) -> Callable[[Rows], NDArray[np.float64]]:
    """Fit one regression a label on standardised features; return rows → log odds, (n, L)."""
    scale = StandardScaler().fit(_features(rows))
    # Newton steps: many rows, few features, and one factorisation a step.
    regression = LogisticRegression(
        C=_COST, solver="newton-cholesky", max_iter=_ITERATIONS, random_state=seed
    )
    linear = LinearPerLabel(regression, scale.transform(_features(rows)), rows.truth, space)
    return lambda others: linear.decide(scale.transform(_features(others)))


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
    columns = label_columns(space)
    scores = expit(decisions[:, columns].clip(-30, 30))
    offsets: NDArray[np.float64] = logit(tune_thresholds(scores, truth[:, columns]))
    return both_ways(offsets, space)[0] if space.is_binary else offsets
