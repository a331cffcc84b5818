"""Predictions as arrays: what every metric, interval and table of this folder works on.

A prediction file is checked once, here: every row has a reference, every label is known,
no row comes twice, scores are probabilities. After that nothing needs to check again.

Called by `score`, `compare`, `verdict` and the tables; works on files or on lists.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.records import LabelSpace, Prediction
from burnish.runfolder import read_predictions

_ROUNDING = 1e-6  # scores are kept to 8 digits; a probability of 1 may come back a hair above
_BINARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one system answered on n rows over L labels, and what is true."""

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
    def positive_column(self) -> int:
        """Column of the class of interest; only binary spaces have one."""
        if self.space.positive is None:
            raise ValueError("the label space has no positive class: it is not binary")
        return self.space.names.index(self.space.positive)

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> "Answers":
        """Return the given rows, in that order; a row may be taken more than once."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            truth=self.truth[index],
            answer=self.answer[index],
            scores=self.scores[index],
        )

    def names_of(self, mask: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the label names set in one row of `truth` or `answer`, shape (L,)."""
        return tuple(name for name, held in zip(self.space.names, mask, strict=True) if held)


def read(path: Path, space: LabelSpace) -> Answers:
    """Return the answers in a prediction file.

    Raises:
        RunFolderError: BN601, the file is missing or not JSON lines.
        PredictionError: BN602, see `from_predictions`.
    """
    return from_predictions(read_predictions(path), space, where=str(path))


def from_predictions(
    predictions: Sequence[Prediction], space: LabelSpace, *, where: str = "predictions"
) -> Answers:
    """Return one system's predictions as arrays, in their order; `where` is for error messages.

    Raises:
        PredictionError: BN602: no rows, a row twice, a row without reference, a label that is
            not in `space`, not exactly one label where the task is single-label, or a score
            outside [0, 1].
    """
    _check_rows(predictions, where)
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


def align(
    a: Answers, b: Answers, *, names: tuple[str, str] = ("a", "b")
) -> tuple[Answers, Answers]:
    """Return both with rows in the order of `a`.

    Raises:
        PredictionError: BN602: other labels, other rows, or other references for the same rows;
            a paired comparison of different rows would mean nothing.
    """
    where = f"{names[0]} and {names[1]}"
    if a.space.names != b.space.names or a.space.multi_label != b.space.multi_label:
        raise PredictionError(
            f"the label spaces differ: {', '.join(a.space.names)} against "
            f"{', '.join(b.space.names)}",
            where=where,
            fix="compare systems of one task: the same labels in the same order",
        )
    if a.ids != b.ids:
        b = b.take(_rows_of(a, b, where))
    differing = np.flatnonzero((a.truth != b.truth).any(axis=1))
    if differing.size:
        row = int(differing[0])
        raise PredictionError(
            f"{differing.size} row(s) have another reference in {names[1]}; first "
            f"{a.ids[row]!r}: {list(a.names_of(a.truth[row]))} against "
            f"{list(b.names_of(b.truth[row]))}",
            where=where,
            fix="score both systems on one version of the data",
        )
    return a, b


def infer_space(*files: Sequence[Prediction]) -> LabelSpace:
    """Return the labels that prediction files speak of, for files that come without a model.

    Names are sorted. Multi-label when any row has other than one label; binary (positive:
    the last name) when single-label with two names.
    """
    rows = [p for predictions in files for p in predictions]
    lists = [names for p in rows for names in (p.answer, p.reference) if names is not None]
    seen = {name for names in lists for name in names} | {name for p in rows for name in p.scores}
    names = tuple(sorted(seen))
    multi_label = any(len(set(labels)) != 1 for labels in lists)
    binary = not multi_label and len(names) == _BINARY
    return LabelSpace(names=names, multi_label=multi_label, positive=names[-1] if binary else None)


def _check_rows(predictions: Sequence[Prediction], where: str) -> None:
    if not predictions:
        raise PredictionError(
            "there are no predictions to score",
            where=where,
            fix="name a prediction file with at least one line",
        )
    if bare := [p.example_id for p in predictions if p.reference is None]:
        raise PredictionError(
            f"{len(bare)} of {len(predictions)} prediction(s) have no reference; "
            f"first: id {bare[0]!r}",
            where=where,
            fix="predict on labelled rows, or fill in `reference` on every line",
        )
    twice = [name for name, n in Counter(p.example_id for p in predictions).items() if n > 1]
    if twice:
        raise PredictionError(
            f"id {twice[0]!r} comes more than once",
            where=where,
            fix="keep one answer a row; if the data's ids repeat, choose another `data.id`",
        )


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


def _rows_of(a: Answers, b: Answers, where: str) -> list[int]:
    """Return the row of `b` for each row of `a`; refuse when the sets of ids differ."""
    position = {name: row for row, name in enumerate(b.ids)}
    only_a = [name for name in a.ids if name not in position]
    only_b = sorted(position.keys() - set(a.ids))
    if only_a or only_b:
        first = (only_a or only_b)[0]
        raise PredictionError(
            f"the rows differ: {len(only_a)} only in the first, {len(only_b)} only in the second; "
            f"first: id {first!r}",
            where=where,
            fix="predict with both systems on the same split of the same data",
        )
    return [position[name] for name in a.ids]
