"""What a server asks of a model: read a request into tokens, tell its cost, answer a batch.

Reading and answering are apart, because a request is read when it comes, on the thread of the
server, while the model is busy with the batch before it. An engine knows nothing of HTTP, of
queues or of other models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

import polars as pl

from burnish.data.conversation import MESSAGES, Conversation, transcripts
from burnish.evaluation.parity import Bounds
from burnish.records import Prediction, Space

Precision = Literal["auto", "fp32", "bf16", "int8"]
Computing = Literal["auto", "vllm"]  # what computes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One input, to be answered as in the evaluation."""

    text: str  # of a conversation: what stands in for it where texts are needed
    turns: Conversation | None = None
    top_k: int | None = None  # words a mask; None: as the task says

    @classmethod
    def of_turns(cls, turns: Conversation) -> Self:
        """Return a conversation as an input; where texts are needed it is its transcript."""
        text = transcripts(pl.Series([turns], dtype=MESSAGES)).item() if turns else ""
        return cls(text=text, turns=turns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """One text, of which the mean of its tokens' vectors is wanted."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A request as tokens."""

    asked: Any  # Ask, or what else the engine can be asked
    rows: Any  # the engine's own form
    tokens: int  # of the input as the model reads it
    cut_tokens: int  # of the input, left out because it is too long
    cost: int  # tokens that go through the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the model says to one Ask."""

    prediction: Prediction
    tokens: int
    cut_tokens: int

    @classmethod
    def to(cls, read: Read, found: Prediction) -> Self:
        """Return what was found as the answer to a request."""
        return cls(prediction=found, tokens=read.tokens, cut_tokens=read.cut_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The vector of one text, of unit length."""

    vector: tuple[float, ...]
    tokens: int
    cut_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is told of a model to those who ask it."""

    name: str
    reference: str  # as the user named it: folder, hub id, models:/…
    version: str  # the same for the same files, another for others
    kind: str  # of the task, as "text-classification"
    space: Space
    max_tokens: int  # longest input read at once
    precision: str
    device: str
    too_long: str  # what becomes of longer inputs: cut, read in pieces, refused
    thresholds: dict[str, float] = field(default_factory=dict)  # label → least probability
    calibrated: bool | None = None  # whether probabilities were fitted to what came true
    least_confidence: float | None = None  # below which a person should look; None: never
    embeds: bool = False
    writes: bool = False
    mask: str | None = None  # what stands for a hidden word, where the model foretells those
    parity: str | None = None  # how its answers compare with those that were judged, in words


class Engine(Protocol):
    """A model that is loaded and ready.

    `read` may be called from any thread at any time; `answer` from so many threads at a time as
    it has workers.
    """

    facts: Facts
    batch_tokens: int  # how many tokens a batch is best given
    workers: int  # batches that are best computed at once
    rounding: Bounds | None  # what its own rounding of the weights does to answers

    def read(self, asked: Sequence[Any]) -> list[Read]:
        """Return requests as tokens.

        Raises:
            BurnishError: one of them cannot be answered; says why.
        """

    def answer(self, reads: Sequence[Read]) -> list[Any]:
        """Return an answer to each request, in order."""

    def warm(self) -> None:
        """Answer something, so that the first request finds everything prepared."""

    def close(self) -> None:
        """Let go of what would outlive it; nothing is asked of it any more."""


def rehearse(engine: Engine) -> None:
    """Have a short text and a long one answered: libraries prepare themselves when first used."""
    for text in ("a", "a " * min(256, engine.facts.max_tokens // 2)):
        engine.answer(engine.read([Ask(text=text)]))
