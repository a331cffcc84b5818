"""What all answers have in common, whatever their kind: rows, ids, references.

Metrics know the kind they are of. Intervals, comparisons, gates and the test of skill do not:
they work on this protocol, so labels (`answers`), texts (`texts`) and plain texts
(`likelihoods`) are judged by one code.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.evaluation.spaces import space_words
from burnish.records import Prediction, Space


class Answered(Protocol):
    """What one system answered on n rows, and what is true there."""

    most_shuffled: ClassVar[int | None]
    """Rows that are enough to test skill on, where scoring other pairs is costly; None: all."""

    no_skill: ClassVar[str]
    """A sentence: why answers may do no better than the same answers given at random."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The example id of each row."""

    @property
    def space(self) -> Space:
        """What may be answered."""

    def __len__(self) -> int: ...

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each row's answer is exactly right, shape (n,)."""

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Self:
        """Return the given rows, in that order; a row may be taken more than once."""

    def shuffled(self, order: NDArray[np.intp]) -> Self:
        """Return the answers as they are, row i beside what is true of row `order[i]`."""

    def differing(self, other: Self) -> NDArray[np.bool_]:
        """Whether two systems answer each row differently, shape (n,); rows must be aligned."""

    def disputed(self, other: Self) -> NDArray[np.bool_]:
        """Whether two systems have other references for a row, shape (n,); rows aligned."""

    def reference_of(self, row: int) -> tuple[str, ...]:
        """Return what is true of one row: its labels, or its accepted texts."""


A = TypeVar("A", bound=Answered)


def align(a: A, b: A, *, names: tuple[str, str] = ("a", "b")) -> tuple[A, A]:
    """Return both with rows in the order of `a`.

    Raises:
        PredictionError: BN602: other labels, other rows, or other references for the same rows;
            a paired comparison of different rows would mean nothing.
    """
    where = f"{names[0]} and {names[1]}"
    if _shape(a.space) != _shape(b.space):
        raise PredictionError(
            f"the label spaces differ: {space_words(a.space)} against {space_words(b.space)}",
            where=where,
            fix="compare systems of one task: the same labels in the same order",
        )
    if a.ids != b.ids:
        b = b.take(_rows_of(a.ids, b.ids, where))
    differing = np.flatnonzero(a.disputed(b))
    if differing.size:
        row = int(differing[0])
        raise PredictionError(
            f"{differing.size} row(s) have another reference in {names[1]}; first "
            f"{a.ids[row]!r}: {list(a.reference_of(row))} against {list(b.reference_of(row))}",
            where=where,
            fix="score both systems on one version of the data",
        )
    return a, b


def _shape(space: Space) -> dict[str, Any]:
    """Return what must be equal for a comparison: all of a space but the class of interest."""
    return {key: value for key, value in space.to_json().items() if key != "positive"}


def _rows_of(a: Sequence[str], b: Sequence[str], where: str) -> list[int]:
    """Return the row in `b` of each id of `a`; refuse when the sets of ids differ."""
    position = {name: row for row, name in enumerate(b)}
    only_a = [name for name in a if name not in position]
    only_b = sorted(position.keys() - set(a))
    if only_a or only_b:
        first = (only_a or only_b)[0]
        raise PredictionError(
            f"the rows differ: {len(only_a)} only in the first, {len(only_b)} only in the second; "
            f"first: id {first!r}",
            where=where,
            fix="predict with both systems on the same split of the same data",
        )
    return [position[name] for name in a]


def check_rows(predictions: Sequence[Prediction], where: str) -> None:
    """Raise PredictionError (BN602): no rows, a row without reference, or a row twice."""
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
