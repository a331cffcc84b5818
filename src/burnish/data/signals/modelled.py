"""Signals that ask a model: tokens, likeness to examples, confidence, disagreement.

What they know of models is `Models`, which whoever declares them hands in: rows are chosen here
without any model library.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.data.keys import is_filled
from burnish.data.signals.signal import Signal
from burnish.errors import SignalError
from burnish.records import Prediction

Certainty = Literal["confidence", "entropy"]
Inputs = Mapping[str, pl.Series]

_ASKED = ("id", "text", "turns")  # what a model may want of a row


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one system says of n rows; None of those it was not asked."""

    found: Sequence[Prediction | None]
    exclusive: bool  # whether its labels exclude each other, so that their probabilities sum to 1


class Models(Protocol):
    """What signals ask of models."""

    def token_counts(self, texts: Sequence[str]) -> Sequence[int]:
        """Return how many tokens the recipe's model reads in each text, its marks not counted."""
        ...

    def vectors(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an encoder's view of n texts, shape (n, hidden), each of length 1."""
        ...

    def answers(self, system: str, rows: pl.DataFrame) -> Answers:
        """Return what a model, or a file of predictions, says of rows with id and text."""
        ...


def tokens(name: str, models: Models | None, *, column: str = "text") -> Signal:
    """Return how many tokens of the recipe's model a text has."""

    def measure(inputs: Inputs, *_: object) -> pl.Series:
        texts = inputs[column]
        counts = _asked(name, models).token_counts(texts.drop_nulls().to_list())
        return _placed(texts.is_not_null(), counts, pl.Int64())

    return Signal(name, measure, key=("tokens", column))


def similar(
    name: str, models: Models | None, to: Sequence[str], *, model: str, column: str = "text"
) -> Signal:
    """Return the cosine of a text and the example most like it, in [-1, 1]; blank texts: null."""

    def measure(inputs: Inputs, *_: object) -> pl.Series:
        texts, asked = inputs[column], _asked(name, models)
        full = is_filled(texts)
        examples = asked.vectors(model, list(to))
        likeness = asked.vectors(model, texts.filter(full).to_list()) @ examples.T
        return _placed(full, likeness.max(axis=1).astype(np.float64), pl.Float64())

    return Signal(name, measure, key=("similar", tuple(to), model, column))


def certainty(
    name: str, models: Models | None, system: str, *, measure: Certainty = "confidence"
) -> Signal:
    """Return how sure a classifier is of its answer.

    Confidence is the probability of what it answers, in [0, 1]: of its label, or, where a row may
    have several, of the least sure of all its yes and no. Entropy is in nats: of the label, or the
    mean over labels. Null of rows the system was not asked.
    """

    def read(inputs: Inputs, *_: object) -> pl.Series:
        said = _asked(name, models).answers(system, _rows(inputs))
        asked = pl.Series([one is not None for one in said.found], dtype=pl.Boolean)
        found = [_sureness(name, one, said.exclusive, measure) for one in said.found if one]
        return _placed(asked, found, pl.Float64())

    return Signal(name, read, key=("certainty", system, measure))


def disagreement(name: str, models: Models | None, systems: tuple[str, str]) -> Signal:
    """Return whether two systems answer differently; null of rows that either was not asked."""

    def read(inputs: Inputs, *_: object) -> pl.Series:
        rows, asked = _rows(inputs), _asked(name, models)
        both = [asked.answers(system, rows).found for system in systems]
        differ = [
            None if one is None or other is None else set(one.answer) != set(other.answer)
            for one, other in zip(*both, strict=True)
        ]
        return pl.Series(differ, dtype=pl.Boolean)

    return Signal(name, read, key=("disagreement", systems))


def _asked(name: str, models: Models | None) -> Models:
    if models is None:
        raise SignalError(
            "it asks a model, and none can be opened here",
            where=f"signal `{name}`",
            fix="use it in `data.select`",
        )
    return models


def _sureness(name: str, one: Prediction, exclusive: bool, measure: Certainty) -> float:
    p = np.array(list(one.scores.values()))
    if not len(p) or p.min() < 0 or p.max() > 1:
        raise SignalError(
            "the system gives no probability for each label",
            where=f"signal `{name}`, row {one.example_id}",
            fix="name a classifier's run, or its file of predictions",
        )
    sides = p[None] if exclusive else np.stack([p, 1 - p], axis=1)
    if measure == "confidence":
        return float(sides.max(axis=1).min())
    terms = np.where(sides > 0, -sides * np.log(np.maximum(sides, 1e-300)), 0.0)
    return float(terms.sum(axis=1).mean())


def _rows(inputs: Inputs) -> pl.DataFrame:
    return pl.DataFrame([inputs[name].alias(name) for name in _ASKED if name in inputs])


def _placed(where: pl.Series, values: Sequence[float], dtype: pl.DataType) -> pl.Series:
    """Return values in the places that are true, null in the others."""
    found = pl.Series([None], dtype=dtype).new_from_index(0, len(where))
    return found.scatter(where.arg_true(), pl.Series(values, dtype=dtype))
