"""Label predictions as arrays, and predictions of any kind made ready to be judged.

A prediction file is checked once, here: every row has a reference, every label is known,
no row comes twice, scores are probabilities. After that nothing needs to check again. Texts
have a module of their own, `texts`, and so have `likelihoods`; `from_predictions` returns what
fits the task.

Called by `score`, `compare`, `verdict` and the tables; works on files or on lists.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self, overload

import numpy as np
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation import likelihoods, texts
from burnish.evaluation.answered import Answered, check_rows
from burnish.evaluation.spaces import is_labels, is_plain
from burnish.evaluation.texts import Texts
from burnish.records import LabelSpace, PlainSpace, Prediction, Space, TextSpace
from burnish.runfolder import read_predictions

_ROUNDING = 1e-6  # scores are kept to 8 digits; a probability of 1 may come back a hair above
_BINARY = 2
# Half of the last digit that files keep: where a probability reads 0, its logarithm is not known.
_LEAST = 5e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one system answered on n rows over L labels, and what is true."""

    most_shuffled: ClassVar[int | None] = None
    no_skill: ClassVar[str] = (
        "The labels may not depend on the text, or be wrong, or the rows are too few to see it."
    )

    ids: tuple[str, ...]
    space: LabelSpace
    truth: NDArray[np.bool_]  # shape (n, L)
    answer: NDArray[np.bool_]  # shape (n, L); one True a row unless multi-label
    scores: NDArray[np.float64]  # shape (n, L), probability in [0, 1]; nan where absent

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_scores(self) -> bool:
        """Whether every row has a score for every label, as roc_auc and ece need."""
        return bool(np.isfinite(self.scores).all())

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each row's answer is exactly its reference, shape (n,)."""
        exact: NDArray[np.bool_] = (self.truth == self.answer).all(axis=1)
        return exact

    @property
    def log_likelihood(self) -> NDArray[np.float64]:
        """How likely each row's truth was found, shape (n,), in nats; nan without scores.

        Where a row has any number of labels, each is a question of its own: their mean.
        """
        if not self.has_scores:
            return np.full(len(self), np.nan)
        found = np.where(self.truth, self.scores, 1 - self.scores)
        each: NDArray[np.float64] = np.log(np.clip(found, _LEAST, 1))
        if self.space.multi_label:
            return np.asarray(each.mean(axis=1))
        return each[self.truth]

    @property
    def positive_column(self) -> int:
        """Column of the class of interest; only binary spaces have one."""
        return self.space.positive_column

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Self:
        """Return the given rows, in that order; a row may be taken more than once."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            truth=self.truth[index],
            answer=self.answer[index],
            scores=self.scores[index],
        )

    def shuffled(self, order: NDArray[np.intp]) -> Self:
        """Return the answers as they are, row i beside the truth of row `order[i]`."""
        return replace(self, truth=self.truth[order])

    def differing(self, other: "Answers") -> NDArray[np.bool_]:
        """Whether two systems answer each row differently, shape (n,); rows must be aligned."""
        different: NDArray[np.bool_] = (self.answer != other.answer).any(axis=1)
        return different

    def disputed(self, other: "Answers") -> NDArray[np.bool_]:
        """Whether two systems have other references for a row, shape (n,); rows aligned."""
        different: NDArray[np.bool_] = (self.truth != other.truth).any(axis=1)
        return different

    def reference_of(self, row: int) -> tuple[str, ...]:
        """Return the true labels of one row."""
        return self.names_of(self.truth[row])

    def names_of(self, mask: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the label names set in one row of `truth` or `answer`, shape (L,)."""
        return tuple(name for name, held in zip(self.space.names, mask, strict=True) if held)


def read(path: Path, space: LabelSpace) -> Answers:
    """Return the answers in a file of label predictions.

    Raises:
        RunFolderError: BN601, the file is missing or not JSON lines.
        PredictionError: BN602, see `from_predictions`.
    """
    return from_predictions(read_predictions(path), space, where=str(path))


@overload
def from_predictions(
    predictions: Sequence[Prediction], space: LabelSpace, *, where: str = ...
) -> Answers: ...


@overload
def from_predictions(
    predictions: Sequence[Prediction], space: TextSpace, *, where: str = ...
) -> Texts: ...


@overload
def from_predictions(
    predictions: Sequence[Prediction], space: Space, *, where: str = ...
) -> Answered: ...


def from_predictions(
    predictions: Sequence[Prediction], space: Space, *, where: str = "predictions"
) -> Answered:
    """Return one system's predictions as arrays, in their order; `where` is for error messages.

    Raises:
        PredictionError: BN602: no rows, a row twice, a row without reference; for labels, one
            that is not in `space`, not exactly one where the task is single-label, or a score
            outside [0, 1]; for texts, see `texts.of_predictions`, and for plain ones
            `likelihoods.of_predictions`.
    """
    check_rows(predictions, where)
    if is_labels(space):
        return _of_labels(predictions, space, where)
    if is_plain(space):
        return likelihoods.of_predictions(predictions, where)
    return texts.of_predictions(predictions, where)


def _of_labels(predictions: Sequence[Prediction], space: LabelSpace, where: str) -> Answers:
    ids = tuple(p.example_id for p in predictions)
    check_labels(
        ids,
        [(*(p.reference or ()), *p.answer, *p.scores) for p in predictions],
        space,
        where=where,
        fix="use the labels of `task.labels`, or score against the model's own burnish.json",
    )
    truth = mask_of([p.reference or () for p in predictions], space)
    answer = mask_of([p.answer for p in predictions], space)
    if not space.multi_label:
        _check_one_label_each(ids, truth, "reference", where)
        _check_one_label_each(ids, answer, "answer", where)
    scores = _scores(predictions, space, where)
    return Answers(ids=ids, space=space, truth=truth, answer=answer, scores=scores)


def check_labels(
    ids: Sequence[str],
    labels: Sequence[Collection[str]],
    space: LabelSpace,
    *,
    where: str,
    fix: str,
) -> None:
    """Raise PredictionError (BN602) for the first row with a label that is not in `space`."""
    for example_id, names in zip(ids, labels, strict=True):
        if unknown := [name for name in names if name not in space.names]:
            raise PredictionError(
                f"label {unknown[0]!r} of id {example_id!r} is not one of the task's: "
                f"{', '.join(space.names)}",
                where=where,
                fix=fix,
            )


def mask_of(labels: Sequence[Collection[str]], space: LabelSpace) -> NDArray[np.bool_]:
    """Return which labels each row has, shape (n, L); all of them must be in `space`."""
    column = {name: i for i, name in enumerate(space.names)}
    mask = np.zeros((len(labels), len(column)), dtype=np.bool_)
    rows = np.repeat(np.arange(len(labels)), [len(names) for names in labels])
    mask[rows, [column[name] for names in labels for name in names]] = True
    return mask


def infer_space(*files: Sequence[Prediction]) -> Space:
    """Return what prediction files speak of, for files that come without a model.

    Plain texts where nothing but likelihoods is there, and texts where `texts.are_texts` says so.
    Else labels, names sorted: multi-label when any row
    has other than one label; binary (positive: the last name) when single-label with two names.
    """
    if likelihoods.are_plain(*files):
        return PlainSpace()
    if texts.are_texts(*files):
        return TextSpace()
    rows = [p for predictions in files for p in predictions]
    lists = [names for p in rows for names in (p.answer, p.reference) if names is not None]
    seen = {name for names in lists for name in names} | {name for p in rows for name in p.scores}
    names = tuple(sorted(seen))
    multi_label = any(len(set(labels)) != 1 for labels in lists)
    binary = not multi_label and len(names) == _BINARY
    return LabelSpace(names=names, multi_label=multi_label, positive=names[-1] if binary else None)


def _check_one_label_each(
    ids: Sequence[str], mask: NDArray[np.bool_], what: str, where: str
) -> None:
    wrong = np.flatnonzero(mask.sum(axis=1) != 1)
    if wrong.size:
        row = int(wrong[0])
        raise PredictionError(
            f"{wrong.size} row(s) have not exactly one label in their {what}; first: id "
            f"{ids[row]!r} with {int(mask[row].sum())}",
            where=where,
            fix="give one label a row, or set `task.multi_label: true`",
        )


def _scores(
    predictions: Sequence[Prediction], space: LabelSpace, where: str
) -> NDArray[np.float64]:
    """Return the probability of each label, shape (n, L); nan where a prediction has none."""
    scores = np.array([[p.scores.get(name, np.nan) for name in space.names] for p in predictions])
    nan_given = np.array([any(map(math.isnan, p.scores.values())) for p in predictions])
    outside = ((scores < -_ROUNDING) | (scores > 1 + _ROUNDING)).any(axis=1)
    wrong = np.flatnonzero(nan_given | outside)
    if wrong.size:
        raise PredictionError(
            f"{wrong.size} row(s) have a score that is no probability; first: "
            f"id {predictions[int(wrong[0])].example_id!r}",
            where=where,
            fix="write scores as probabilities in [0, 1], or leave `scores` out",
        )
    return scores.clip(0.0, 1.0)
