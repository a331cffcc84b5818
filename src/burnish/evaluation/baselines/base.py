"""What a baseline is given and what it must do.

A baseline sees rows, never files or models: texts, and for some the vectors that an encoder
gave them. Labels it finds as arrays (`truth`), written answers as texts (`references`). It
answers with predictions of the same form as the tuned model's, so the same code scores both.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.answers import check_labels, mask_of
from burnish.evaluation.spaces import is_labels
from burnish.records import LabelSpace, Prediction, Space

S = TypeVar("S", bound=Space)
References = tuple[tuple[str, ...] | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """n rows as a baseline sees them."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    references: References  # labels or accepted texts of each row; None where it has none
    truth: NDArray[np.bool_]  # shape (n, L); all False without reference; (n, 0) for texts
    groups: tuple[str | None, ...]  # rows of one group are alike; None: a group by itself
    features: NDArray[np.float32] | None = None  # shape (n, hidden), an encoder's vectors

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Whether each row has a reference, shape (n,)."""
        return np.array([reference is not None for reference in self.references], dtype=np.bool_)

    def take(self, index: NDArray[np.intp]) -> "Rows":
        """Return the given rows, in that order."""
        return Rows(
            ids=tuple(self.ids[i] for i in index),
            texts=tuple(self.texts[i] for i in index),
            references=tuple(self.references[i] for i in index),
            truth=self.truth[index],
            groups=tuple(self.groups[i] for i in index),
            features=None if self.features is None else self.features[index],
        )


def from_frame(
    frame: pl.DataFrame, space: Space, features: NDArray[np.float32] | None = None
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
    ids = tuple(frame["id"])
    references = tuple(None if held is None else tuple(held) for held in frame["labels"].to_list())
    return Rows(
        ids=ids,
        texts=tuple(frame["text"].fill_null("")),
        references=references,
        truth=_truth(ids, references, space),
        groups=tuple(frame["group"]) if "group" in frame.columns else (None,) * len(frame),
        features=features,
    )


def _truth(ids: tuple[str, ...], references: References, space: Space) -> NDArray[np.bool_]:
    """Return which labels each row has, shape (n, L): none where answers are texts."""
    if not is_labels(space):
        return np.zeros((len(ids), 0), dtype=np.bool_)
    labels = [names or () for names in references]
    check_labels(
        ids,
        labels,
        space,
        where="rows for a baseline",
        fix="settle and check the labels first, or add it to `task.labels`",
    )
    return mask_of(labels, space)


class Baseline(ABC, Generic[S]):
    """A cheap rival. Fitted once, then asked; the same rows and seed give the same answers."""

    needs_features: ClassVar[bool] = False  # whether `Rows.features` must be given

    @classmethod
    def applies(cls, space: Space) -> bool:
        """Whether the baseline can answer in this space; with labels, unless it says otherwise."""
        return is_labels(space)

    @abstractmethod
    def fit(self, rows: Rows, choose: Rows | None, space: S, seed: int) -> None:
        """Learn from `rows`.

        Args:
            rows: the training rows; unlabelled ones are passed over.
            choose: held-out rows to choose settings on. Never the rows that are judged: when
                there are no others pass None, and folds of `rows` choose.
            space: the labels, or that answers are texts.
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
            reference=tuple(names[rows.truth[i]]) if labelled else None,
            scores=dict(zip(space.names, map(float, scores[i]), strict=True)),
        )
        for i, labelled in enumerate(rows.labelled)
    ]


def to_texts(rows: Rows, answers: Iterable[str]) -> list[Prediction]:
    """Return one written answer a row as predictions; a baseline has no scores for them."""
    return [
        Prediction(example_id=example_id, answer=(answer,), reference=reference)
        for example_id, answer, reference in zip(rows.ids, answers, rows.references, strict=True)
    ]


def labelled_only(rows: Rows) -> Rows:
    """Return the rows that have a reference.

    Raises:
        PredictionError: BN602, none has.
    """
    labelled = rows.labelled
    if not labelled.any():
        raise PredictionError(
            f"none of {len(rows)} training row(s) has a label",
            where="training rows of a baseline",
            fix="train on labelled rows",
        )
    return rows if labelled.all() else rows.take(np.flatnonzero(labelled))
