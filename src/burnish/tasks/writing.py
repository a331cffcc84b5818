"""What all tasks that write have in common: lengths, and answers as tokens.

A row is an input and the answer to be written, both as tokens. Only the answer is learned, its
end mark always included, so a tuned model knows when to stop. Lengths may be percentiles, which
are taken from the training rows alone.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.evaluation.texts import COMPLETE
from burnish.records import Prediction, TextSpace
from burnish.tasks.base import Answer, Batch, Unfit, Writing
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.lengths import (
    Limit,
    Lost,
    cut_answers,
    cut_texts,
    known,
    percentile_of,
    plain_tokens,
)
from burnish.tasks.likelihood import COUNT, LikelihoodTask, likelihood_of

LongAnswers = Literal["error", "drop", "cut"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WritingTask(LikelihoodTask):
    """A task whose answers are texts."""

    max_input: Limit  # longest input kept whole, in tokens
    max_output: Limit  # longest answer, in tokens, end mark included
    long_answers: LongAnswers = "error"
    max_new_tokens: int | None = None  # null: max_output
    beams: int = 1
    no_repeat_ngram: int = 0
    length_penalty: float = 1.0
    space: TextSpace = field(default_factory=TextSpace, init=False)

    @classmethod
    def shared(cls, section: Any) -> dict[str, Any]:
        """Return the keyword arguments that every such task takes from its recipe section."""
        return {
            "max_input": section.max_input_length,
            "max_output": section.max_output_length,
            "long_answers": section.long_answers,
            **section.generation.model_dump(),
        }

    @property
    def writing(self) -> Writing:
        """How answers are written."""
        return Writing(
            max_new_tokens=self.max_new_tokens or known(self.max_output),
            beams=self.beams,
            no_repeat_ngram=self.no_repeat_ngram,
            length_penalty=self.length_penalty,
        )

    @property
    def longest(self) -> int:
        """The longest input kept whole, in tokens."""
        return known(self.max_input)

    @property
    def limits(self) -> dict[str, int]:
        """How long inputs and learned answers may be, and how long an answer is written."""
        return {
            "max_input": known(self.max_input),
            "max_output": known(self.max_output),
            "max_new_tokens": self.writing.max_new_tokens,
        }

    def measure(self, rows: pl.DataFrame, tokenizer: Any) -> Self:
        """Return the task with percentiles of the training rows made numbers."""
        max_input, max_output = self.max_input, self.max_output
        if isinstance(max_input, str):
            max_input = percentile_of(self._input_lengths(rows, tokenizer), max_input)
        if isinstance(max_output, str):
            lengths = self._answers(rows, tokenizer).lengths.tolist()
            max_output = percentile_of(lengths, max_output)
        return replace(self, max_input=max_input, max_output=max_output)

    def unfit(self, rows: pl.DataFrame, tokenizer: Any) -> list[Unfit]:
        """Return rows whose answer is too long, or has no token to learn."""
        lengths, limit = self._answers(rows, tokenizer).lengths, known(self.max_output)
        action: Literal["error", "drop", "warn"] = (
            "warn" if self.long_answers == "cut" else self.long_answers
        )
        long = Unfit(
            code="long-answer",
            rows=lengths > limit,
            words=f"have an answer of more than {limit} tokens, which would be cut",
            action=action,
            fix="raise `task.max_output_length`, or set `task.long_answers: drop`",
        )
        empty = Unfit(
            code="no-answer-token",
            rows=lengths <= 1,
            words="have an answer without a single token to learn",
            action="error" if self.long_answers == "error" else "drop",
            fix="correct the answers, or set `task.long_answers: drop`",
        )
        return [one for one in (long, empty) if one.rows.any()]

    def encode(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn rows into inputs and answers; rows without `labels` have empty answers."""
        prompts, lost = self._asked(rows, tokenizer)
        answers = self._answers(rows, tokenizer)
        over = np.maximum(answers.lengths - known(self.max_output), 0)
        if self.long_answers == "cut" and over.any():
            answers = cut_answers(answers, known(self.max_output))
            lost = lost + over
        return Encoded(
            ids=tuple(rows["id"].to_list()),
            inputs=Ragged.of(prompts),
            answers=answers,
            targets=np.zeros((rows.height, 0), np.float32),
            references=tuple(None if one is None else tuple(one) for one in _labels(rows)),
            rows_cut=int((lost > 0).sum()),
            tokens_lost=int(lost.sum()),
        )

    def _input_lengths(self, rows: pl.DataFrame, tokenizer: Any) -> list[int]:
        """Return the tokens of each row's input, without those of the prompt around it."""
        return [len(one) for one in plain_tokens(self._inputs(rows), tokenizer)]

    def _asked(self, rows: pl.DataFrame, tokenizer: Any) -> tuple[list[list[int]], Lost]:
        """Return the tokens that ask for each row's answer, and how many were cut from each."""
        texts, lost = cut_texts(self._inputs(rows), tokenizer, known(self.max_input))
        return self._prompts(texts, tokenizer), lost

    @abstractmethod
    def _prompts(self, texts: list[str], tokenizer: Any) -> list[list[int]]:
        """Return the tokens that ask for an answer to each text."""

    def _inputs(self, rows: pl.DataFrame) -> list[str]:
        return rows["text"].fill_null("").to_list()

    def _written(self, answer: str) -> str:
        """Return an answer as it stands behind its input."""
        return answer

    def _answers(self, rows: pl.DataFrame, tokenizer: Any) -> Ragged:
        """Return the tokens of each row's first answer with its end mark; none where unlabelled."""
        firsts = [one[0] if one else None for one in _labels(rows)]
        tokens = iter(
            plain_tokens([self._written(one) for one in firsts if one is not None], tokenizer)
        )
        end = [tokenizer.eos_token_id]
        return Ragged.of([[] if one is None else next(tokens) + end for one in firsts])

    @abstractmethod
    def ask(self, encoded: Encoded, rows: Sequence[int], *, pad_id: int) -> Batch:
        """Return the batch that generation starts from: input_ids and attention_mask."""

    def decode(
        self, outputs: NDArray[np.float32], encoded: Encoded, texts: Sequence[Answer] = ()
    ) -> list[Prediction]:
        """Return the written texts, with the likelihood of the reference where there is one."""
        return [
            Prediction(
                example_id=example_id,
                answer=(text.text,),
                reference=reference,
                scores=_scores(row, complete=text.complete),
            )
            for example_id, text, reference, row in zip(
                encoded.ids, texts, encoded.references, outputs.astype(np.float64), strict=True
            )
        ]


def _scores(row: NDArray[np.float64], *, complete: bool) -> dict[str, float]:
    return {COMPLETE: float(complete)} | (likelihood_of(row) if row[COUNT] else {})


def _labels(rows: pl.DataFrame) -> list[list[str] | None]:
    return rows["labels"].to_list() if "labels" in rows.columns else [None] * rows.height
