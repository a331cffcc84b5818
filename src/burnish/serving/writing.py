"""Write token by token for several requests at once, each with settings of its own.

Every request of a batch chooses its tokens by itself (the likeliest, or drawn), hands on its text
as it grows, and leaves when it ends, by the model's end mark, a stop text or its limit, or when
nobody waits for it any more. With the likeliest tokens that is what evaluation wrote.

Called by `serving.torch_engine`; runs on the model's thread.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from burnish.serving.engine import Read
from burnish.serving.growing import MOST_SEED, Growing, Write, Written
from burnish.serving.odds import prompt_odds, token_odds
from burnish.tasks.base import Batch, Writing
from burnish.tasks.batch import padded
from burnish.training.generate import settings, steps_by_itself
from burnish.training.packing import padding_id, plain
from burnish.training.products import of_last_token
from burnish.training.quiet import quiet


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
        **of_last_token(base),
        generation_config=config,
        logits_processor=LogitsProcessorList([choose]),
        stopping_criteria=StoppingCriteriaList([ended]),
    )
