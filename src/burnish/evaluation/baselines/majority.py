"""The lowest rung: answer what is most frequent, without reading the text."""

import numpy as np

from burnish.evaluation.baselines.base import Baseline, Rows, labelled_only, to_predictions
from burnish.records import LabelSpace, Prediction


class Majority(Baseline):
    """Single-label: the most frequent class. Multi-label: each label that most rows have.

    The scores are the labels' shares among the training rows, the same for every row.
    """

    def fit(self, rows: Rows, choose: Rows | None, space: LabelSpace, seed: int) -> None:  # noqa: ARG002
        """Count labels."""
        self._space = space
        self._share = labelled_only(rows).truth.mean(axis=0)
        if space.multi_label:
            self._answer = self._share > 0.5  # noqa: PLR2004 - most rows, as the docstring says
        else:
            self._answer = np.arange(len(space.names)) == self._share.argmax()

    def predict(self, rows: Rows) -> list[Prediction]:
        """Answer every row alike."""
        shape = rows.truth.shape
        answer = np.broadcast_to(self._answer, shape)
        return to_predictions(rows, self._space, answer, np.broadcast_to(self._share, shape))
