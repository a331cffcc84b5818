"""Sequence to sequence: an encoder reads the input, a decoder writes the answer.

Serves every encoder-decoder of transformers: T5 and its kin, BART, and an encoder warm-started
on both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from burnish.recipe.task import Seq2SeqTask as Section
from burnish.records import TextSpace
from burnish.tasks import batch
from burnish.tasks.base import Batch
from burnish.tasks.encoded import Encoded
from burnish.tasks.likelihood import supervised
from burnish.tasks.writing import WritingTask


@dataclass(frozen=True, slots=True, kw_only=True)
class Seq2SeqTask(WritingTask):
    """What stands before each input, and how long it and its answer may be."""

    family: ClassVar[str] = "seq2seq-lm"
    kind: ClassVar[str] = "seq2seq"

    prefix: str = ""  # such as "summarize: "

    @classmethod
    def from_recipe(cls, section: Section, space: TextSpace) -> Self:  # noqa: ARG003
        """Build the task of a recipe."""
        return cls(**cls.shared(section), prefix=section.prefix)

    @property
    def prompt_form(self) -> dict[str, Any]:
        """What stands before each input."""
        return {"kind": "prefix", "prefix": self.prefix}

    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer; that of an encoder ends a text with its separator."""
        if tokenizer.eos_token_id is None and tokenizer.sep_token_id is not None:
            tokenizer.eos_token = tokenizer.sep_token
        # A dataclass with slots is built anew, which super() without arguments does not survive.
        return WritingTask.prepare_tokenizer(self, tokenizer)

    def _prompts(self, texts: list[str], tokenizer: Any) -> list[list[int]]:
        if not texts:
            return []
        written = [self.prefix + text for text in texts]
        found: list[list[int]] = tokenizer(written, verbose=False)["input_ids"]
        return found

    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:  # noqa: ARG002
        """Return inputs padded, `decoder_ids` (rows, longest), and which outputs are learned.

        The decoder's start token is the model's and is put before by the forward pass.
        """
        if encoded.answers is None:
            raise ValueError("rows of a task that writes have answers")
        answers = [encoded.answers.row(at) for at in rows]
        tensors = self.ask(encoded, rows, pad_id=pad_id)
        decoder = batch.padded(answers, pad_id=pad_id)
        width = decoder["input_ids"].shape[1]
        starts = (np.arange(len(rows)) * width).tolist()
        return tensors | {"decoder_ids": decoder["input_ids"]} | supervised(answers, starts)

    def ask(self, encoded: Encoded, rows: Sequence[int], *, pad_id: int) -> Batch:
        """Return the inputs, filled up on the right."""
        return batch.padded([encoded.inputs.row(at) for at in rows], pad_id=pad_id)
