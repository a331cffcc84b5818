"""How likely a system finds plain texts: what loss and perplexity of a task without answers are of.

Nothing is right or wrong here, so the rows of two systems are compared by their likelihoods
alone, and only where both count the same tokens.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from burnish.errors import PredictionError
from burnish.records import PlainSpace, Prediction

LOG_LIKELIHOOD, TOKENS = SCORES = ("log_likelihood", "tokens")
# Score → the right token is looked for among so many that a system finds likeliest. The score is
# of how many of a row's tokens that holds; files of old are without.
TOPS = {"top1": 1, "top5": 5}

_ROUNDING = 1e-6  # scores are kept to 8 digits; a likelihood of 1 may come back a hair above


def likelihood_fault(log_likelihood: float) -> str | None:
    """Return what is wrong with a log-likelihood that somebody wrote, or None."""
    if -math.inf < log_likelihood <= _ROUNDING:
        return None
    return f"has a log-likelihood of {log_likelihood}; it is finite and at most 0"


def tops_fault(scores: Mapping[str, float]) -> str | None:
    """Return what is wrong with the counts of hit tokens that somebody wrote, or None."""
    ends = (0.0, *(scores[name] for name in TOPS if name in scores), scores.get(TOKENS, 0.0))
    if all(a <= b for a, b in pairwise(ends)):
        return None
    told = ", ".join(f"`{name}` {scores[name]:g}" for name in TOPS if name in scores)
    return f"has {told} of {ends[-1]:g} tokens; it is 0 ≤ top1 ≤ top5 ≤ tokens"


def tops_of(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """Return the counts of hit tokens, shape (n, 2); nan where a file has none."""
    counts = [[p.scores.get(name, math.nan) for name in TOPS] for p in predictions]
    return np.array(counts, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Likelihoods:
    """How likely one system finds n texts."""

    most_shuffled: ClassVar[int | None] = None
    no_skill: ClassVar[str] = "The texts may be of no kind that can be foretold."

    ids: tuple[str, ...]
    log_likelihood: NDArray[np.float64]  # shape (n,), of the whole text, nats
    tokens: NDArray[np.float64]  # shape (n,), how many that is over
    tops: NDArray[np.float64]  # shape (n, 2), of how many the right one is first, among five; nan
    space: PlainSpace = field(default_factory=PlainSpace)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Return False for each row, shape (n,): no text is right or wrong."""
        return np.zeros(len(self), dtype=np.bool_)

    @property
    def losses(self) -> NDArray[np.float64]:
        """Loss a token of each text in nats, shape (n,); 0 where nothing was foretold."""
        return -self.log_likelihood / np.maximum(self.tokens, 1)

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> Self:
        """Return the given rows, in that order; a row may be taken more than once."""
        index = np.asarray(rows, dtype=np.intp)
        return replace(
            self,
            ids=tuple(self.ids[i] for i in index),
            log_likelihood=self.log_likelihood[index],
            tokens=self.tokens[index],
            tops=self.tops[index],
        )

    def shuffled(self, order: NDArray[np.intp]) -> Self:
        """Raise ValueError: a likelihood is of its own text and of no other."""
        raise ValueError(f"likelihoods of {len(order)} texts cannot be handed to other texts")

    def differing(self, other: "Likelihoods") -> NDArray[np.bool_]:
        """Whether two systems find each text differently likely, shape (n,); rows aligned."""
        different: NDArray[np.bool_] = self.log_likelihood != other.log_likelihood
        return different

    def disputed(self, other: "Likelihoods") -> NDArray[np.bool_]:
        """Whether two systems count other tokens in a text, shape (n,); rows aligned."""
        different: NDArray[np.bool_] = self.tokens != other.tokens
        return different

    def reference_of(self, row: int) -> tuple[str, ...]:
        """Return how many tokens one text has, in words."""
        return (f"{self.tokens[row]:.0f} tokens",)


def of_predictions(predictions: Sequence[Prediction], where: str) -> Likelihoods:
    """Return one system's likelihoods; the rows' ids are checked already.

    Raises:
        PredictionError: BN602: an answer or a reference, where nothing is asked, or not both
            scores, or one that is out of its range.
    """
    for prediction in predictions:
        if fault := _fault(prediction):
            raise PredictionError(
                f"id {prediction.example_id!r} {fault}",
                where=where,
                fix="leave `answer` and `reference` empty, and write `log_likelihood` with its "
                "`tokens` in `scores`, with `top1` and `top5` where they are known",
            )
    columns = [[p.scores[name] for p in predictions] for name in SCORES]
    likelihood, tokens = np.array(columns, dtype=np.float64)
    return Likelihoods(
        ids=tuple(p.example_id for p in predictions),
        log_likelihood=likelihood,
        tokens=tokens,
        tops=tops_of(predictions),
    )


def are_plain(*files: Sequence[Prediction]) -> bool:
    """Return whether predictions that come without a model are of plain texts."""
    rows = [p for predictions in files for p in predictions]
    return bool(rows) and all(
        not p.answer and not p.reference and set(p.scores) - set(TOPS) == set(SCORES) for p in rows
    )


def _fault(prediction: Prediction) -> str | None:
    """Return what is wrong with one row, or None."""
    scores = prediction.scores
    if prediction.answer or prediction.reference:
        return "has an answer or a reference; of a plain text nothing is asked"
    if set(scores) - set(TOPS) != set(SCORES):
        return f"has scores {', '.join(sorted(scores)) or 'of no kind'}; not the two there are"
    if fault := likelihood_fault(scores[LOG_LIKELIHOOD]):
        return fault
    if not 0 <= scores[TOKENS] < math.inf:
        return f"has a likelihood over {scores[TOKENS]} tokens; it is over 0 or more"
    return tops_fault(scores)
