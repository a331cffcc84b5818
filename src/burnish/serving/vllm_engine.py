"""The engine that writes with vLLM: decoders on a GPU, many answers at a time.

Prompts are read, texts put together and ended as the torch engine does it, so the API is the
same; only the tokens come from elsewhere. Each request is a batch of its own, from a thread of
its own: vLLM puts them together by itself.
"""

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import torch

from burnish.errors import HardwareError, ModelTaskError
from burnish.evaluation.parity import Bounds
from burnish.serving.engine import Answered, Ask, Read, rehearse
from burnish.serving.growing import MOST_SEED, Growing, TokenOdds, Write, Written
from burnish.serving.prompts import Prompt
from burnish.serving.reading import MOST_TOKENS, InputReader, Named, facts_of
from burnish.serving.vllm_steps import Odds, Order, Step, Stepper, check_package
from burnish.tasks.base import Answer, Task
from burnish.tasks.causal_lm import CausalTask

_AT_ONCE = 64  # requests that vLLM has at a time
_DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def check_engine(task: Task) -> CausalTask:
    """Return the task, where vLLM can do it here.

    Raises:
        MissingPackageError: BN401, it is not installed.
        HardwareError: BN404, there is no GPU.
        ModelTaskError: BN304, the task is another than to answer with a decoder, greedily.
    """
    check_package()
    if not torch.cuda.is_available():
        raise HardwareError(
            "vLLM needs a GPU, and PyTorch finds none",
            where="option --engine vllm",
            fix="leave the option out: the usual engine runs on the processor",
        )
    if not isinstance(task, CausalTask):
        raise ModelTaskError(
            f"a model of the task {task.to_json()['kind']} is not served by vLLM",
            where="option --engine vllm",
            fix="leave the option out, or serve a model of the task causal-lm",
        )
    if task.writing.beams > 1 or task.writing.no_repeat_ngram:
        raise ModelTaskError(
            "the model was judged with beams, or without repeats, which vLLM does not do",
            where="option --engine vllm",
            fix="leave the option out, or train with `task.generation` left as it is",
        )
    return task


class _Row(Growing):
    """One text while vLLM writes it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.prompt_odds: list[Odds | None] = []

    def step(self, step: Step) -> bool:
        """Take new tokens in; return whether the text has ended."""
        self.prompt_odds += step.prompt_odds
        for at, token in enumerate(step.tokens):
            if self.finish is not None:
                break
            told = self.asked.logprobs is not None
            self.take(token, TokenOdds.of(token, step.odds[at], self.tokenizer) if told else None)
        if step.ended and self.finish is None:
            self.end("length")
        return self.finish is not None

    def of_prompt(self, tokens: Iterable[int]) -> list[TokenOdds]:
        """Return how likely each token of the prompt is after those before it."""
        return [
            TokenOdds.of(int(token), odds or {}, self.tokenizer)
            for token, odds in zip(tokens, self.prompt_odds, strict=True)
        ]


class VllmEngine:
    """A decoder in vLLM as an engine."""

    rounding: Bounds | None = None
    batch_tokens, workers = 1, _AT_ONCE  # whatever is larger than a batch is one by itself

    def __init__(
        self,
        folder: Path,
        task: CausalTask,
        tokenizer: Any,
        named: Named,
        *,
        precision: str,
        longest: int | None,
        ends: Collection[int],
    ) -> None:
        """Load the model of a folder in the form of transformers.

        Args:
            folder: without adapters.
            task: that it was judged in.
            tokenizer: the model's own.
            named: which model it is.
            precision: fp32 or bf16.
            longest: tokens that the model takes, prompt and answer.
            ends: tokens that end an answer.
        """
        self._task, self._tokenizer, self._ends = task, tokenizer, frozenset(ends)
        self.facts = facts_of(
            named, task, tokenizer, precision=precision, device="cuda", vectors=False
        )
        longest = min(longest, MOST_TOKENS) if longest else None
        self._stepper = Stepper(folder, dtype=_DTYPES[precision], longest=longest)
        self._reader = InputReader(self.facts, task, tokenizer, room=self._stepper.longest)

    def read(self, asked: Sequence[Any]) -> list[Read]:
        """Return requests as tokens; raises what `InputReader.read` does."""
        return self._reader.read(asked)

    def answer(self, reads: Sequence[Read]) -> list[Any]:
        """Return an answer to each request, in order; they are written together."""
        begun = [self._begin(read) for read in reads]
        for _, done in begun:
            done.result()
        return [self._told(read, row) for read, (row, _) in zip(reads, begun, strict=True)]

    def warm(self) -> None:
        """Answer something, so that the first request finds everything prepared."""
        rehearse(self)

    def close(self) -> None:
        """Let the memory of the GPU go."""
        self._stepper.close()

    def _begin(self, read: Read) -> tuple[_Row, "Future[None]"]:
        """Have a request written; return its text, and what tells that it has ended."""
        if isinstance(read.asked, Ask):
            asked = Write(text=read.asked.text)
            prompt = Prompt(read.rows.inputs.row(0), self._task.writing.max_new_tokens)
        else:
            asked, prompt = read.asked, read.rows
        row = _Row(asked=asked, limit=prompt.limit, ends=self._ends, tokenizer=self._tokenizer)
        settings = {
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            "seed": None if asked.seed is None else asked.seed % MOST_SEED,
            "max_tokens": max(1, prompt.limit),  # of none, one is written and not taken
            "stop_token_ids": sorted(self._ends),
            "logprobs": asked.logprobs,
            "prompt_logprobs": asked.logprobs if asked.echo else None,
        }
        order = Order(prompt=prompt.tokens.tolist(), take=row.step, settings=settings)
        self._stepper.begin(order)
        return row, order.done

    def _told(self, read: Read, row: _Row) -> Answered | Written:
        if not isinstance(read.asked, Ask):
            return row.told(read, lambda _: row.of_prompt(read.rows.tokens))
        outputs = np.zeros((1, self._task.width), np.float32)  # of a reference, and there is none
        answer = Answer(row.pieces.text, complete=row.finish == "stop")
        return Answered.to(read, self._task.decode(outputs, read.rows, [answer])[0])
