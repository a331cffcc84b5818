"""From logits to labels: how likely each is, which are given, and which answers to look at.

Binary and multi-class models end in a softmax, multi-label ones in a sigmoid for each label.
Thresholds apply to the probability of the class of interest (binary) or of each label
(multi-label); several classes of which one is right have none.

Called by `tasks.classification`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from burnish.evaluation.scaling import Scaling, fit_sigmoid, fit_softmax
from burnish.evaluation.selective import confidences, least_confidence
from burnish.evaluation.thresholds import tune_thresholds
from burnish.recipe.classification import Abstention
from burnish.records import LabelSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """From which probability a label is given, and from which confidence nobody need look.

    Scores, logits, `given` and `truth` are of shape (n, classes), in the order of the space.
    """

    space: LabelSpace
    thresholds: tuple[float, ...]  # multi-label: one a label; binary: one; multi-class: none
    least_confidence: float | None = None  # below which an answer is marked; None: never

    @classmethod
    def at(cls, threshold: float, space: LabelSpace) -> Self:
        """Return the decision with one threshold wherever there is any."""
        count = len(space.names) if space.multi_label else 1 if space.is_binary else 0
        return cls(space=space, thresholds=(threshold,) * count)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probability of each label, in [0, 1]."""
        wide = logits.astype(np.float64)
        scores = expit(wide) if self.space.multi_label else softmax(wide, axis=1)
        return np.asarray(scores)

    def given(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which labels are given."""
        if self.space.multi_label:
            return np.asarray(scores >= np.array(self.thresholds))
        chosen = scores.argmax(axis=1)
        if self.space.is_binary:
            positive = self.space.positive_column
            chosen = np.where(scores[:, positive] >= self.thresholds[0], positive, 1 - positive)
        return np.asarray(np.eye(len(self.space.names), dtype=bool)[chosen])

    def abstains(
        self, scores: NDArray[np.float64], given: NDArray[np.bool_]
    ) -> Sequence[bool | None]:
        """Return which rows a person should look at; None for each where that is not asked."""
        if self.least_confidence is None:
            return [None] * len(scores)
        sure = confidences(scores, given, multi_label=self.space.multi_label)
        return [bool(one) for one in sure < self.least_confidence]

    def with_thresholds(self, scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> Self:
        """Return the decision with thresholds chosen for F1 on labelled rows."""
        if self.space.is_binary:
            positive = [self.space.positive_column]
            scores, truth = scores[:, positive], truth[:, positive]
        chosen = tune_thresholds(scores, truth)
        return replace(self, thresholds=tuple(np.asarray(chosen, np.float64).tolist()))

    def with_least_confidence(
        self, scores: NDArray[np.float64], truth: NDArray[np.bool_], asked: Abstention
    ) -> Self:
        """Return the decision with the least confidence that keeps to the risk asked for."""
        given = self.given(scores)
        floor = least_confidence(
            confidences(scores, given, multi_label=self.space.multi_label),
            (given == truth).all(axis=1),
            max_risk=asked.max_risk,
            sure=asked.sure,
        )
        return replace(self, least_confidence=floor)

    def scaling(self, logits: NDArray[np.float32], truth: NDArray[np.bool_]) -> Scaling | None:
        """Return what makes the probabilities of labelled rows what came true."""
        if self.space.multi_label:
            return fit_sigmoid(logits, truth)
        if self.space.is_binary:
            positive = self.space.positive_column
            odds = logits[:, [positive]] - logits[:, [1 - positive]]
            return fit_sigmoid(odds, truth[:, [positive]])
        return fit_softmax(logits, truth)

    @property
    def shifted(self) -> tuple[int, ...]:
        """Every label where each has a sigmoid, the class of interest where there is one."""
        if self.space.multi_label:
            return tuple(range(len(self.space.names)))
        return (self.space.positive_column,) if self.space.is_binary else ()
