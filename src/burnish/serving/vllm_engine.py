"""The engine that writes with vLLM: decoders on a GPU, many answers at a time.

Prompts are read, texts put together and ended as the torch engine does it, so the API is the
same; only the tokens come from elsewhere. Each request is a batch of its own, from a thread of
its own: vLLM puts them together by itself.
"""

from collections.abc import Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from burnish.errors import HardwareError, ModelTaskError
from burnish.evaluation.parity import Bounds
from burnish.serving.engine import Answered, Ask, Read, rehearse
from burnish.serving.odds import TokenOdds, token_text
from burnish.serving.pieces import Pieces
from burnish.serving.prompts import Prompt
from burnish.serving.reading import MOST_TOKENS, InputReader, Named, facts_of
from burnish.serving.vllm_steps import Odds, Order, Step, Stepper, check_package
from burnish.serving.writing import MOST_SEED, Finish, Write, Written
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


@dataclass(slots=True, kw_only=True)
class _Writing:
    """One text while vLLM writes it."""

    asked: Write
    limit: int
    ends: Collection[int]
    pieces: Pieces
    tokenizer: Any
    finish: Finish = "length"
    written: int = 0
    odds: list[TokenOdds] = field(default_factory=list)
    prompt_odds: list[Odds | None] = field(default_factory=list)
    done: "Future[None]" = field(default_factory=Future)

    def wait(self) -> None:
        """Return when the text has ended; raises what went wrong."""
        self.done.result()
        self.pieces.end()

    def take(self, step: Step) -> bool:
        """Take new tokens in; return whether the text has ended."""
        self.prompt_odds += step.prompt_odds
        for at, token in enumerate(step.tokens):
            if self.written >= self.limit:
                return True
            self.written += 1
            if self.asked.logprobs is not None:
                self.odds.append(_told(token, step.odds[at], self.tokenizer))
            if token in self.ends or self.pieces.add(token):
                self.finish = "stop"
                return True
        return self.asked.abandoned or self.written >= self.limit


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
        return [
            self._answered(read, made) if isinstance(read.asked, Ask) else self._told(read, made)
            for read, made in zip(reads, begun, strict=True)
        ]

    def warm(self) -> None:
        """Answer something, so that the first request finds everything prepared."""
        rehearse(self)

    def close(self) -> None:
        """Let the memory of the GPU go."""
        self._stepper.close()

    def _answered(self, read: Read, made: _Writing) -> Answered:
        """Return what the model answers, as in its evaluation."""
        made.wait()
        outputs = np.zeros((1, self._task.width), np.float32)  # of a reference, and there is none
        answer = Answer(made.pieces.text, complete=made.finish == "stop")
        return Answered.to(read, self._task.decode(outputs, read.rows, [answer])[0])

    def _told(self, read: Read, made: _Writing) -> Written:
        asked: Write = read.asked
        made.wait()
        before, odds = "", made.odds
        if asked.echo:
            before = asked.text or self._tokenizer.decode(read.rows.tokens)
            odds = self._of_prompt(made, read.rows) + odds
        return Written(
            text=before + made.pieces.text,
            odds=tuple(odds),
            finish=made.finish,
            tokens=read.tokens,
            written_tokens=made.written,
            cut_tokens=read.cut_tokens,
        )

    def _begin(self, read: Read) -> _Writing:
        if isinstance(read.asked, Ask):
            asked = Write(text=read.asked.text)
            prompt = Prompt(read.rows.inputs.row(0), self._task.writing.max_new_tokens)
        else:
            asked, prompt = read.asked, read.rows
        asked.begin()
        pieces = Pieces(self._tokenizer, stop=asked.stop, emit=asked.emit, strip=not asked.raw)
        made = _Writing(
            asked=asked,
            limit=prompt.limit,
            ends=self._ends,
            pieces=pieces,
            tokenizer=self._tokenizer,
        )
        settings = {
            "temperature": asked.temperature,
            "top_p": asked.top_p,
            "seed": None if asked.seed is None else asked.seed % MOST_SEED,
            "max_tokens": max(1, prompt.limit),  # of none, one is written and not taken
            "stop_token_ids": sorted(self._ends),
            "logprobs": asked.logprobs,
            "prompt_logprobs": asked.logprobs if asked.echo else None,
        }
        order = Order(prompt=prompt.tokens.tolist(), take=made.take, settings=settings)
        made.done = order.done
        self._stepper.begin(order)
        return made

    def _of_prompt(self, made: _Writing, prompt: Prompt) -> list[TokenOdds]:
        if made.asked.logprobs is None:
            return []
        first, *others = (int(one) for one in prompt.tokens)
        told = [TokenOdds(text=token_text(first, self._tokenizer), logprob=None, top={})]
        for token, odds in zip(others, made.prompt_odds[1:], strict=True):
            told.append(_told(token, odds or {}, self._tokenizer))
        return told


def _told(token: int, odds: Odds, tokenizer: Any) -> TokenOdds:
    top: dict[str, float] = {}
    for number, logprob in odds.items():
        top.setdefault(token_text(number, tokenizer), logprob)
    return TokenOdds(text=token_text(token, tokenizer), logprob=odds.get(token), top=top)
