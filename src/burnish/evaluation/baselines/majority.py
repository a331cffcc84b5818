"""The lowest rung: answer what is most frequent, without reading the text."""

from collections import Counter

import numpy as np

from burnish.evaluation.baselines.base import (
    Baseline,
    Rows,
    labelled_only,
    to_predictions,
    to_texts,
)
from burnish.evaluation.spaces import is_any, is_labels
from burnish.records import LabelSpace, Prediction, Space


class Majority(Baseline[Space]):
    """Single-label: the most frequent class. Multi-label: each label that most rows have.

    The scores are the labels' shares among the training rows, the same for every row. Texts:
    the first reference that most rows have, of equals the first met; without scores.
    """

    @classmethod
    def applies(cls, space: Space) -> bool:
        """Everywhere."""
        return is_any(space)

    def fit(self, rows: Rows, choose: Rows | None, space: Space, seed: int) -> None:  # noqa: ARG002
        """Count answers."""
        rows = labelled_only(rows)
        counting = _MostLabels(rows, space) if is_labels(space) else _MostFrequentText(rows)
        self._predict = counting.predict

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer every row alike."""
        return self._predict(rows)


class _MostLabels:
    """Labels by their share of the rows."""

    def __init__(self, rows: Rows, space: LabelSpace) -> None:
        self._space = space
        self._share = rows.truth.mean(axis=0)
        if space.multi_label:
            self._answer = self._share > 0.5  # noqa: PLR2004 - most rows, as said above
        else:
            self._answer = np.arange(len(space.names)) == self._share.argmax()

    def predict(self, rows: Rows) -> list[Prediction]:
        shape = rows.truth.shape
        answer = np.broadcast_to(self._answer, shape)
        return to_predictions(rows, self._space, answer, np.broadcast_to(self._share, shape))


class _MostFrequentText:
    """The text that most rows have as their first reference."""

    def __init__(self, rows: Rows) -> None:
        firsts = Counter(accepted[0] for accepted in rows.references if accepted)
        [(self._answer, _)] = firsts.most_common(1)

    def predict(self, rows: Rows) -> list[Prediction]:
        return to_texts(rows, [self._answer] * len(rows))
