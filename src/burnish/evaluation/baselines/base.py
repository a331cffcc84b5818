"""What a baseline is given and what it must do.

A baseline sees rows, never files or models: texts, and for some the vectors that an encoder
gave them. It answers with predictions of the same form as the tuned model's, so the same code
scores both.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.answers import check_labels, mask_of
from burnish.records import LabelSpace, Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """n rows as a baseline sees them."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    truth: NDArray[np.bool_]  # shape (n, L); all False where a row has no reference
    labelled: NDArray[np.bool_]  # shape (n,); whether the row has a reference
    groups: tuple[str | None, ...]  # rows of one group are alike; None: a group by itself
    features: NDArray[np.float32] | None = None  # shape (n, hidden), an encoder's vectors

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[np.intp]) -> "Rows":
        """Return the given rows, in that order."""
        return Rows(
            ids=tuple(self.ids[i] for i in index),
            texts=tuple(self.texts[i] for i in index),
            truth=self.truth[index],
            labelled=self.labelled[index],
            groups=tuple(self.groups[i] for i in index),
            features=None if self.features is None else self.features[index],
        )


def from_frame(
    frame: pl.DataFrame, space: LabelSpace, features: NDArray[np.float32] | None = None
) -> Rows:
    """Return the rows of a canonical frame (columns id, text, labels, group).

    Raises:
        PredictionError: BN602, a label is not in `space`, or `features` has another number of
            rows than the frame.
    """
    if features is not None and len(features) != len(frame):
        raise PredictionError(
            f"{len(features)} feature rows for {len(frame)} rows",
            where="features of the frozen encoder",
            fix="encode exactly the rows of the split, in their order",
        )
    ids, labels = tuple(frame["id"]), [names or () for names in frame["labels"].to_list()]
    check_labels(
        ids,
        labels,
        space,
        where="rows for a baseline",
        fix="settle and check the labels first, or add it to `task.labels`",
    )
    return Rows(
        ids=ids,
        texts=tuple(frame["text"].fill_null("")),
        truth=mask_of(labels, space),
        labelled=frame["labels"].is_not_null().to_numpy(),
        groups=tuple(frame["group"]) if "group" in frame.columns else (None,) * len(frame),
        features=features,
    )


class Baseline(ABC):
    """A cheap rival. Fitted once, then asked; the same rows and seed give the same answers."""

    needs_features: ClassVar[bool] = False  # whether `Rows.features` must be given

    @abstractmethod
    def fit(self, rows: Rows, choose: Rows | None, space: LabelSpace, seed: int) -> None:
        """Learn from `rows`.

        Args:
            rows: the training rows; unlabelled ones are passed over.
            choose: held-out rows to choose settings on. Never the rows that are judged: when
                there are no others pass None, and folds of `rows` choose.
            space: the labels.
            seed: of whatever is random.
        """

    @abstractmethod
    def predict(self, rows: Rows) -> list[Prediction]:
        """Return one prediction a row, in order, with references where rows have them."""


def to_predictions(
    rows: Rows, space: LabelSpace, answer: NDArray[np.bool_], scores: NDArray[np.float64]
) -> list[Prediction]:
    """Return arrays of shape (n, L) as predictions."""
    names = np.array(space.names, dtype=object)
    return [
        Prediction(
            example_id=rows.ids[i],
            answer=tuple(names[answer[i]]),
            reference=tuple(names[rows.truth[i]]) if rows.labelled[i] else None,
            scores=dict(zip(space.names, map(float, scores[i]), strict=True)),
        )
        for i in range(len(rows))
    ]


def labelled_only(rows: Rows) -> Rows:
    """Return the rows that have a reference.

    Raises:
        PredictionError: BN602, none has.
    """
    if not rows.labelled.any():
        raise PredictionError(
            f"none of {len(rows)} training row(s) has a label",
            where="training rows of a baseline",
            fix="train on labelled rows",
        )
    return rows if rows.labelled.all() else rows.take(np.flatnonzero(rows.labelled))
