"""The engine that answers with the model as it was evaluated, through PyTorch.

It goes through the very functions that evaluation and `burnish predict` go through, so that what
is served is what was judged.
"""

import copy
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import polars as pl

from burnish.data.conversation import MESSAGES, TURNS, Conversation
from burnish.errors import EmptyDataError, RequestError
from burnish.records import LabelSpace, Prediction
from burnish.serving.engine import Answered, Ask, Embed, Embedded, Facts, Read
from burnish.serving.prompts import read_prompt
from burnish.serving.writing import Write, Written, write_together
from burnish.tasks.base import Encoded, Ragged, Writing
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.masked_lm import MaskedTask
from burnish.tasks.plain_text import PlainTextTask
from burnish.tasks.tokens import encode_texts
from burnish.tasks.writing import WritingTask
from burnish.training.fill import fill
from burnish.training.modelfolder import Answerer
from burnish.training.models import longest_text
from burnish.training.packing import plain
from burnish.training.predict import answering, predictions, unit_vectors

_MOST_TOKENS = 32_768  # that one input may take in all its passes
_CACHED_TOKENS = 8192  # prompts and answers of a batch of `training.generate`

_ENCODERS = ("sequence-classification", "masked-lm")  # families with vectors worth having

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class _Masked:
    """A text with masks, which `training.fill` reads by itself."""

    text: str


class TorchEngine:
    """A model folder as an engine."""

    def __init__(self, answerer: Answerer, *, name: str, reference: str, version: str) -> None:
        self._answerer = answerer
        self._task = answerer.task
        self._pristine = copy.deepcopy(answerer.tokenizer)
        self._copying, self._own = threading.Lock(), threading.local()
        writes = isinstance(self._task, WritingTask | PlainTextTask)
        self.batch_tokens = _CACHED_TOKENS if writes else answerer.hardware.tokens_per_batch
        self.facts = Facts(
            name=name,
            reference=reference,
            version=version,
            kind=str(self._task.to_json()["kind"]),
            space=self._task.space,
            max_tokens=self._task.longest,
            precision=answerer.hardware.precision,
            device=answerer.hardware.device,
            too_long=_too_long(self._task),
            thresholds=_thresholds(self._task),
            embeds=self._task.family in _ENCODERS,
            writes=writes,
            mask=answerer.tokenizer.mask_token if isinstance(self._task, MaskedTask) else None,
        )

    def read(self, asked: Sequence[Any]) -> list[Read]:
        """Return requests as tokens.

        Raises:
            EmptyDataError: BN205, a text is empty.
            RequestError: BN701, a text is longer than is read, or of a form the task has not.
            ModelTaskError: BN304, the chat template refuses a conversation.
        """
        return [self._read(one, at) for at, one in enumerate(asked, 1)]

    def cost(self, read: Read) -> int:
        """Return how many tokens go through the model for a request."""
        return read.cost

    def answer(self, reads: Sequence[Read]) -> list[Any]:
        """Return an answer to each request, in order."""
        found: list[Any] = [None] * len(reads)
        for compute, places in self._kinds(reads):
            answers = compute([reads[at] for at in places])
            for at, answer in zip(places, answers, strict=True):
                found[at] = answer
        return found

    def warm(self) -> None:
        """Answer a short text and a long one: libraries prepare themselves when first used."""
        for text in ("a", "a " * min(256, self.facts.max_tokens // 2)):
            self.answer(self.read([Ask(text=text)]))

    def _kinds(
        self, reads: Sequence[Read]
    ) -> list[tuple[Callable[[list[Read]], list[Any]], list[int]]]:
        """Return which requests are computed together, and by what."""
        groups: dict[Any, list[int]] = {}
        for at, read in enumerate(reads):
            key = read.asked.top_k if isinstance(read.rows, _Masked) else None
            groups.setdefault((type(read.asked), type(read.rows), key), []).append(at)
        return [(self._computing(reads[places[0]]), places) for places in groups.values()]

    def _computing(self, read: Read) -> Callable[[list[Read]], list[Any]]:
        if isinstance(read.asked, Embed):
            return self._embed
        if isinstance(read.asked, Write):
            return self._write
        return self._fill if isinstance(read.rows, _Masked) else self._predict

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
            return self._read_masked(asked, tokenizer, number)
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
        rows = pl.DataFrame({"id": [str(next(_numbers))], "text": [text]})
        if turns is not None:
            rows = rows.with_columns(pl.Series(TURNS, [turns], dtype=MESSAGES))
        return self._task.encode(rows, self._tokenizer())

    def _read_to_write(self, asked: Write, number: int) -> Read:
        read = read_prompt(
            asked,
            self._task,
            self._tokenizer(),
            room=longest_text(plain(self._answerer.model).config),
            encode=self._encode,
            number=number,
        )
        _refuse_long(read.cost, number)
        return read

    def _read_masked(self, asked: Ask, tokenizer: Any, number: int) -> Read:
        tokens = len(tokenizer(asked.text, verbose=False)["input_ids"])
        limit = tokenizer.model_max_length
        if tokens > limit:
            raise RequestError(
                f"a text to be filled has {tokens} tokens; the model reads {limit} at once",
                where=f"input number {number}",
                fix="give the sentences around the mask alone",
            )
        return Read(asked=asked, rows=_Masked(asked.text), tokens=tokens, cut_tokens=0, cost=tokens)

    def _read_to_embed(self, asked: Embed) -> Read:
        if not self.facts.embeds:
            raise RequestError(
                "the model gives no vectors of texts",
                where=f"model {self.facts.name!r}",
                fix="ask a model that is an encoder",
            )
        inputs, _, lost = encode_texts(
            [asked.text], self._tokenizer(), max_length=self.facts.max_tokens
        )
        tokens = int(inputs.lengths[0])
        return Read(asked=asked, rows=inputs, tokens=tokens, cut_tokens=lost, cost=tokens)

    def _predict(self, reads: list[Read]) -> list[Answered]:
        encoded = Encoded.joined([read.rows for read in reads])
        opened, outputs = self._answerer, None
        if isinstance(self._task, WritingTask):
            # Outputs of a task that writes tell how likely the reference is, and there is none.
            outputs = np.zeros((len(encoded), self._task.width), np.float32)
        found = predictions(
            opened.model, encoded, self._task, opened.hardware, opened.tokenizer, outputs=outputs
        )
        return [_answered(read, one) for read, one in zip(reads, found, strict=True)]

    def _fill(self, reads: list[Read]) -> list[Answered]:
        opened, task = self._answerer, self._task
        if not isinstance(task, MaskedTask):
            raise TypeError("only a task that foretells hidden words fills masks")
        texts = [read.rows.text for read in reads]
        top_k = reads[0].asked.top_k
        filled = fill(opened.model, opened.tokenizer, task, opened.hardware, texts, top_k=top_k)
        return [
            _answered(
                read,
                Prediction(
                    example_id="",
                    answer=tuple(mask[0].token_str for mask in masks),
                    reference=None,
                    fills=masks,
                ),
            )
            for read, masks in zip(reads, filled, strict=True)
        ]

    def _write(self, reads: list[Read]) -> list[Written]:
        opened = self._answerer
        wanted = self._task.writing or Writing(max_new_tokens=1)
        with answering(opened.model, opened.hardware):
            return write_together(opened.model, reads, wanted, opened.tokenizer)

    def _embed(self, reads: list[Read]) -> list[Embedded]:
        body = plain(self._answerer.model).base_model
        inputs = Ragged.joined([read.rows for read in reads])
        vectors = unit_vectors(body, inputs, self._answerer.hardware)
        return [
            Embedded(vector=tuple(vector.tolist()), tokens=read.tokens, cut_tokens=read.cut_tokens)
            for read, vector in zip(reads, vectors, strict=True)
        ]


def _answered(read: Read, found: Prediction) -> Answered:
    return Answered(prediction=found, tokens=read.tokens, cut_tokens=read.cut_tokens)


def _refuse_long(cost: int, number: int) -> None:
    if cost > _MOST_TOKENS:
        raise RequestError(
            f"the text takes {cost} tokens to answer; at most {_MOST_TOKENS} are taken",
            where=f"input number {number}",
            fix="send it in pieces",
        )


def _too_long(task: Any) -> str:
    if isinstance(task, MaskedTask):
        return "refused with a mask, read in pieces without"
    return "cut" if isinstance(task, ClassificationTask | WritingTask) else "read in pieces"


def _thresholds(task: Any) -> dict[str, float]:
    """Return from which probability each label is given; none where the likeliest is."""
    if not isinstance(task, ClassificationTask) or not isinstance(task.space, LabelSpace):
        return {}
    if task.space.positive is not None:
        return {task.space.positive: task.thresholds[0]}
    return dict(zip(task.space.names, task.thresholds, strict=False))
