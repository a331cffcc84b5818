"""The engine that answers with the model as it was evaluated, through PyTorch.

It goes through the very functions that evaluation and `burnish predict` go through, so that what
is served is what was judged.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from burnish.evaluation.parity import Bounds
from burnish.records import Prediction
from burnish.serving.engine import Answered, Embed, Embedded, Read, rehearse
from burnish.serving.growing import Write, Written
from burnish.serving.reading import InputReader, Masked, Named, facts_of
from burnish.serving.writing import write_together
from burnish.tasks.base import Writing
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.masked_lm import MaskedTask
from burnish.tasks.writing import WritingTask
from burnish.training.fill import fill
from burnish.training.generate import cached_tokens
from burnish.training.modelfolder import Answerer
from burnish.training.models import longest_text
from burnish.training.packing import plain
from burnish.training.predict import answering, predictions, unit_vectors


class TorchEngine:
    """A model folder as an engine."""

    workers = 1  # PyTorch spreads one batch over all cores

    def __init__(self, answerer: Answerer, named: Named, *, int8: bool = False) -> None:
        """Take what answers; `int8`: its linear layers are of integers."""
        self._answerer = answerer
        self._task = answerer.task
        hardware = answerer.hardware
        self.facts = facts_of(
            named,
            self._task,
            answerer.tokenizer,
            precision="int8" if int8 else hardware.precision,
            device=hardware.device,
        )
        # What written answers may differ by where sums are rounded is wide enough for integers.
        self.rounding = Bounds() if int8 else None
        body = plain(answerer.model)
        self.batch_tokens = cached_tokens(body) if self.facts.writes else hardware.tokens_per_batch
        self._reader = InputReader(
            self.facts,
            self._task,
            answerer.tokenizer,
            room=longest_text(body.config),
        )

    def read(self, asked: Sequence[Any]) -> list[Read]:
        """Return requests as tokens; raises what `InputReader.read` does."""
        return self._reader.read(asked)

    def answer(self, reads: Sequence[Read]) -> list[Any]:
        """Return an answer to each request, in order."""
        found: list[Any] = [None] * len(reads)
        for compute, places in self._kinds(reads):
            answers = compute([reads[at] for at in places])
            for at, answer in zip(places, answers, strict=True):
                found[at] = answer
        return found

    def warm(self) -> None:
        """Answer something, so that the first request finds everything prepared."""
        rehearse(self)

    def close(self) -> None:
        """Do nothing: what it holds goes with it."""

    def _kinds(
        self, reads: Sequence[Read]
    ) -> list[tuple[Callable[[list[Read]], list[Any]], list[int]]]:
        """Return which requests are computed together, and by what."""
        groups: dict[Any, list[int]] = {}
        for at, read in enumerate(reads):
            key = read.asked.top_k if isinstance(read.rows, Masked) else None
            groups.setdefault((type(read.asked), type(read.rows), key), []).append(at)
        return [(self._computing(reads[places[0]]), places) for places in groups.values()]

    def _computing(self, read: Read) -> Callable[[list[Read]], list[Any]]:
        if isinstance(read.asked, Embed):
            return self._embed
        if isinstance(read.asked, Write):
            return self._write
        return self._fill if isinstance(read.rows, Masked) else self._predict

    def _predict(self, reads: list[Read]) -> list[Answered]:
        encoded = Encoded.joined([read.rows for read in reads])
        opened, outputs = self._answerer, None
        if isinstance(self._task, WritingTask):
            # Outputs of a task that writes tell how likely the reference is, and there is none.
            outputs = np.zeros((len(encoded), self._task.width), np.float32)
        found = predictions(
            opened.model, encoded, self._task, opened.hardware, opened.tokenizer, outputs=outputs
        )
        return [Answered.to(read, one) for read, one in zip(reads, found, strict=True)]

    def _fill(self, reads: list[Read]) -> list[Answered]:
        opened, task = self._answerer, self._task
        if not isinstance(task, MaskedTask):
            raise TypeError("only a task that foretells hidden words fills masks")
        texts = [read.rows.text for read in reads]
        top_k = reads[0].asked.top_k
        filled = fill(opened.model, opened.tokenizer, task, opened.hardware, texts, top_k=top_k)
        return [
            Answered.to(
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
