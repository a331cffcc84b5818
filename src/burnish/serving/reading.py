"""From what a client asks to tokens, as the model's task reads them.

The same for every engine of a task, whatever computes the answers.
"""

import copy
import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl

from burnish.data.conversation import MESSAGES, TURNS, Conversation
from burnish.errors import EmptyDataError, RequestError
from burnish.serving.engine import Ask, Embed, Facts, Read
from burnish.serving.growing import Write
from burnish.serving.prompts import read_prompt
from burnish.tasks.base import Task
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.tasks.masked_lm import MaskedTask
from burnish.tasks.plain_text import PlainTextTask
from burnish.tasks.tokens import encode_texts
from burnish.tasks.writing import WritingTask

MOST_TOKENS = 32_768  # that one input may take in all its passes
MOST_FILLED = 4_000_000  # characters told of one input with masks: a whole text for each word
_ENCODERS = ("sequence-classification", "masked-lm")  # families with vectors worth having

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with masks, which `training.fill` reads by itself."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Which model an engine is."""

    name: str
    reference: str
    version: str


def facts_of(
    named: Named, task: Task, tokenizer: Any, *, precision: str, device: str, vectors: bool = True
) -> Facts:
    """Return what is told of a model.

    Args:
        named: which model it is.
        task: that it was judged in.
        tokenizer: the model's own.
        precision: of its sums.
        device: where they are made.
        vectors: whether the engine can give the vectors of an encoder.
    """
    masked = isinstance(task, MaskedTask)
    labels = task if isinstance(task, ClassificationTask) else None
    return Facts(
        name=named.name,
        reference=named.reference,
        version=named.version,
        kind=str(task.to_json()["kind"]),
        space=task.space,
        max_tokens=task.longest,
        precision=precision,
        device=device,
        too_long=_too_long(task),
        thresholds=_thresholds(labels) if labels else {},
        calibrated=labels.calibrated if labels else None,
        least_confidence=labels.least_confidence if labels else None,
        embeds=vectors and task.family in _ENCODERS,
        writes=isinstance(task, WritingTask | PlainTextTask),
        mask=tokenizer.mask_token if masked else None,
    )


def _too_long(task: Task) -> str:
    if isinstance(task, MaskedTask):
        return "refused with a mask, read in pieces without"
    return "cut" if isinstance(task, ClassificationTask | WritingTask) else "read in pieces"


def _thresholds(task: ClassificationTask) -> dict[str, float]:
    """Return from which probability each label is given; none where the likeliest is."""
    if task.space.positive is not None:
        return {task.space.positive: task.thresholds[0]}
    return dict(zip(task.space.names, task.thresholds, strict=False))


class InputReader:
    """Reads what is asked of one model; may be called from any thread."""

    def __init__(self, facts: Facts, task: Task, tokenizer: Any, *, room: int | None) -> None:
        """Take a model's task and tokenizer; `room`: tokens of its longest text, if limited."""
        self._facts, self._task, self._room = facts, task, room
        self._pristine = copy.deepcopy(tokenizer)
        self._copying, self._own = threading.Lock(), threading.local()

    def read(self, asked: Sequence[Any]) -> list[Read]:
        """Return requests as tokens.

        Raises:
            EmptyDataError: BN205, a text is empty.
            RequestError: BN701, a text is longer than is read, or of a form the task has not.
            ModelTaskError: BN304, the chat template refuses a conversation.
        """
        return [self._read(one, at) for at, one in enumerate(asked, 1)]

    def _tokenizer(self) -> Any:
        """Return the tokenizer of this thread: one cannot cut texts for two at a time."""
        if not hasattr(self._own, "tokenizer"):
            with self._copying:
                self._own.tokenizer = copy.deepcopy(self._pristine)
        return self._own.tokenizer

    def _read(self, asked: Ask | Embed | Write, number: int) -> Read:
        if isinstance(asked, Write) and (asked.tokens is not None or asked.text):
            return self._read_to_write(asked, number)
        if not asked.text.strip():
            raise EmptyDataError(
                "the text is empty", where=f"input number {number}", fix="give some text"
            )
        if isinstance(asked, Embed):
            return self._read_to_embed(asked)
        return self._read_to_answer(cast(Ask, asked), number)

    def _read_to_answer(self, asked: Ask, number: int) -> Read:
        tokenizer = self._tokenizer()
        if isinstance(self._task, MaskedTask) and tokenizer.mask_token in asked.text:
            return _read_masked(asked, self._task, tokenizer, number)
        encoded = self._encode(asked.text, asked.turns)
        cost = tokens = int(encoded.lengths.sum())
        if encoded.places is not None and encoded.answers is not None:
            tokens = int(encoded.answers.lengths.sum())  # read several times, hidden once
        if wanted := self._task.writing:
            cost += wanted.max_new_tokens * wanted.beams
        _refuse_long(cost, number)
        return Read(
            asked=asked, rows=encoded, tokens=tokens, cut_tokens=encoded.tokens_lost, cost=cost
        )

    def _encode(self, text: str, turns: Conversation | None) -> Encoded:
        """Return an input as the task's tokens, under an id of its own."""
        number = str(next(_numbers))
        if turns is None:
            return self._task.encode_text(number, text, self._tokenizer())
        turned = pl.Series(TURNS, [turns], dtype=MESSAGES)
        rows = pl.DataFrame({"id": [number], "text": [text]}).with_columns(turned)
        return self._task.encode(rows, self._tokenizer())

    def _read_to_write(self, asked: Write, number: int) -> Read:
        read = read_prompt(
            asked,
            self._task,
            self._tokenizer(),
            room=self._room,
            encode=self._encode,
            number=number,
        )
        _refuse_long(read.cost, number)
        return read

    def _read_to_embed(self, asked: Embed) -> Read:
        if not self._facts.embeds:
            raise RequestError(
                "the model gives no vectors of texts",
                where=f"model {self._facts.name!r}",
                fix="ask a model that is an encoder",
            )
        inputs, _, lost = encode_texts(
            [asked.text], self._tokenizer(), max_length=self._facts.max_tokens
        )
        tokens = int(inputs.lengths[0])
        return Read(asked=asked, rows=inputs, tokens=tokens, cut_tokens=lost, cost=tokens)


def _read_masked(asked: Ask, task: MaskedTask, tokenizer: Any, number: int) -> Read:
    ids = tokenizer(asked.text, verbose=False)["input_ids"]
    tokens, masks = len(ids), ids.count(task.mask_id)
    limit = tokenizer.model_max_length
    if tokens > limit:
        raise RequestError(
            f"a text to be filled has {tokens} tokens; the model reads {limit} at once",
            where=f"input number {number}",
            fix="give the sentences around the mask alone",
        )
    words = masks * (asked.top_k or task.top_k)
    if words * len(asked.text) > MOST_FILLED:
        raise RequestError(
            f"{words} words for {masks} masks would be told, each with its text of "
            f"{len(asked.text)} characters; at most {MOST_FILLED} characters are",
            where=f"input number {number}",
            fix="ask for fewer words with `top_k`, or give the sentences around each mask alone",
        )
    # Each word's text is made of all tokens again, which takes longer than the pass.
    cost = tokens + words
    return Read(asked=asked, rows=Masked(asked.text), tokens=tokens, cut_tokens=0, cost=cost)


def _refuse_long(cost: int, number: int) -> None:
    if cost > MOST_TOKENS:
        raise RequestError(
            f"the text takes {cost} tokens to answer; at most {MOST_TOKENS} are taken",
            where=f"input number {number}",
            fix="send it in pieces",
        )
