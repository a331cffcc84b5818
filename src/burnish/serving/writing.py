"""Write token by token for several requests at once, each with settings of its own.

Every request of a batch chooses its tokens by itself (the likeliest, or drawn), hands on its text
as it grows, and leaves when it ends, by the model's end mark, a stop text or its limit, or when
nobody waits for it any more. With the likeliest tokens that is what evaluation wrote.

Called by `serving.torch_engine`; runs on the model's thread.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from burnish.data.conversation import Conversation
from burnish.serving.engine import Read
from burnish.serving.odds import TokenOdds, prompt_odds, token_odds
from burnish.serving.pieces import Pieces
from burnish.tasks.base import Batch, Writing
from burnish.tasks.batch import padded
from burnish.training.generate import settings, steps_by_itself
from burnish.training.packing import padding_id, plain
from burnish.training.quiet import quiet

MOST_SEED = 2**63

Finish = Literal["stop", "length"]


@dataclass(slots=True, kw_only=True, eq=False)
class Write:
    """One text to be written."""

    text: str
    turns: Conversation | None = None
    tokens: Sequence[int] | None = None  # the prompt as tokens, in place of its text
    raw: bool = False  # go on from the text itself; else answer it, as in the evaluation
    max_tokens: int | None = None  # None: as the task says
    temperature: float = 0.0  # 0: the likeliest token
    top_p: float = 1.0  # draw from the likeliest tokens of that much probability together
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None  # likeliest tokens told for each token; None: nothing is told
    echo: bool = False  # tell the prompt, too; its text and, with `logprobs`, its odds
    emit: Callable[[str], None] | None = None  # is called with each piece of text
    abandoned: bool = False  # set where nobody waits for the rest
    begun: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A text that was written."""

    text: str
    finish: Finish
    tokens: int  # of the prompt
    written_tokens: int
    cut_tokens: int
    odds: tuple[TokenOdds, ...] = ()  # of the prompt, where it is told, and of what was written


@dataclass(eq=False, kw_only=True)
class Growing:
    """The text of one request while its tokens come, whatever computes them.

    Raises RuntimeError where the text was begun before, and its batch failed.
    """

    asked: Write
    limit: int  # tokens of the answer
    ends: Collection[int]
    tokenizer: Any
    finish: Finish | None = None
    written: int = 0
    odds: list[TokenOdds] = field(default_factory=list)
    pieces: Pieces = field(init=False)

    def __post_init__(self) -> None:
        asked = self.asked
        if asked.begun:
            raise RuntimeError("the batch failed after this text was begun: not told twice")
        asked.begun = True
        self.pieces = Pieces(self.tokenizer, stop=asked.stop, emit=asked.emit, strip=not asked.raw)
        if not self.limit:
            self.end("length")

    def take(self, token: int, odds: TokenOdds | None) -> None:
        """Take the next token in, and how likely it was where that is told."""
        self.written += 1
        if odds is not None:
            self.odds.append(odds)
        if token in self.ends or self.pieces.add(token) or self.asked.abandoned:
            self.end("stop")
        elif self.written >= self.limit:
            self.end("length")

    def end(self, finish: Finish) -> None:
        """Tell what was held back: no more tokens come."""
        self.finish = finish
        self.pieces.end()

    def told(self, read: Read, of_prompt: Callable[[int], list[TokenOdds]]) -> Written:
        """Return the text as it is told, after its prompt where that is wanted.

        Args:
            read: the request, whose rows are a Prompt.
            of_prompt: number of likeliest tokens → the odds of the prompt's tokens.
        """
        before, odds = "", self.odds
        if self.asked.echo:
            before = self.asked.text or self.tokenizer.decode(read.rows.tokens)
            if self.asked.logprobs is not None:
                odds = of_prompt(self.asked.logprobs) + odds
        return Written(
            text=before + self.pieces.text,
            odds=tuple(odds),
            finish=self.finish or "length",
            tokens=read.tokens,
            written_tokens=self.written,
            cut_tokens=read.cut_tokens,
        )


class _Row(Growing):
    """One request in a batch, which chooses its tokens by itself."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.generator = torch.Generator()
        if self.asked.seed is None:
            self.generator.seed()
        else:
            self.generator.manual_seed(self.asked.seed % MOST_SEED)

    def choose(self, logits: Tensor) -> int:
        """Return the next token by logits of shape (vocabulary,), and take it in."""
        token, count = _drawn(logits, self.asked, self.generator), self.asked.logprobs
        odds = None if count is None else token_odds(logits, token, count, self.tokenizer)
        self.take(token, odds)
        return token


def _drawn(logits: Tensor, asked: Write, generator: torch.Generator) -> int:
    if not asked.temperature:
        return int(logits.argmax())
    likely = (logits.float().cpu() / max(asked.temperature, 1e-4)).softmax(dim=-1)
    if asked.top_p < 1:
        ordered, places = likely.sort(descending=True)
        before = ordered.cumsum(dim=-1) - ordered  # of all that are likelier
        ordered[before > asked.top_p] = 0
        return int(places[torch.multinomial(ordered, 1, generator=generator)])
    return int(torch.multinomial(likely, 1, generator=generator))


def write_together(
    model: Any, reads: Sequence[Read], wanted: Writing, tokenizer: Any
) -> list[Written]:
    """Return what is written for each request, in order.

    Args:
        model: in eval mode, without gradients, PEFT-wrapped or not.
        reads: requests whose rows are a Prompt.
        wanted: how the task writes; of its search only what forbids repeats is heeded.
        tokenizer: the model's own.
    """
    base = plain(model)
    asked = padded(
        [read.rows.tokens for read in reads],
        pad_id=padding_id(model),
        left=not base.config.is_encoder_decoder,
    )
    asked = {name: tensor.to(base.device) for name, tensor in asked.items()}
    most = max(1, *(read.rows.limit for read in reads))
    config = settings(
        base, Writing(max_new_tokens=most, no_repeat_ngram=wanted.no_repeat_ngram), tokenizer
    )
    rows = [
        _Row(
            asked=read.asked,
            limit=read.rows.limit,
            ends=config.eos_token_id,
            tokenizer=tokenizer,
        )
        for read in reads
    ]
    with quiet():
        if steps_by_itself(base, config):
            _step(base, asked, rows)
        else:
            _generate(base, asked, rows, config)
    return [_told(base, read, row) for read, row in zip(reads, rows, strict=True)]


def _told(base: Any, read: Read, row: _Row) -> Written:
    tokens, tokenizer = read.rows.tokens, row.tokenizer
    return row.told(read, lambda count: prompt_odds(base, tokens, count, tokenizer))


def _step(base: Any, asked: Batch, rows: Sequence[_Row]) -> None:
    from burnish.training.greedy import begin  # imports transformers' models

    reader, logits = begin(base, asked)
    live = list(rows)
    while True:
        chosen = [
            row.choose(one) if row.finish is None else 0
            for row, one in zip(live, logits, strict=True)
        ]
        going = [at for at, row in enumerate(live) if row.finish is None]
        if not going:
            return
        logits, kept = reader.go_on(torch.tensor(chosen, device=logits.device), going)
        live = [live[at] for at in kept]


def _generate(base: Any, asked: Batch, rows: Sequence[_Row], config: Any) -> None:
    """Let transformers step; the tokens are chosen by the rows all the same."""
    from transformers import LogitsProcessorList, StoppingCriteriaList

    def choose(_: Tensor, scores: Tensor) -> Tensor:
        forced = torch.full_like(scores, -torch.inf)
        for at, row in enumerate(rows):
            token = row.choose(scores[at]) if row.finish is None else config.pad_token_id
            forced[at, token] = 0
        return forced

    def ended(ids: Tensor, _: Any, **__: Any) -> Tensor:
        return torch.tensor([row.finish is not None for row in rows], device=ids.device)

    base.generate(
        **asked,
        generation_config=config,
        logits_processor=LogitsProcessorList([choose]),
        stopping_criteria=StoppingCriteriaList([ended]),
    )
