"""How likely a model finds the tokens of a text, as `logprobs` of OpenAI's completions tells it."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from burnish.serving.growing import TokenOdds
from burnish.training.generators import position_logits


def token_odds(logits: Tensor, token: int, count: int, tokenizer: Any) -> TokenOdds:
    """Return how likely a token is.

    Args:
        logits: shape (vocabulary,).
        token: its number.
        count: how many of the likeliest tokens are told.
        tokenizer: makes texts of tokens.
    """
    logprobs = logits.float().log_softmax(dim=-1)
    best = logprobs.topk(count)
    likeliest = dict(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    likeliest.setdefault(token, float(logprobs[token]))
    return TokenOdds.of(token, likeliest, tokenizer)


@torch.inference_mode()
def prompt_odds(base: Any, tokens: Iterable[int], count: int, tokenizer: Any) -> list[TokenOdds]:
    """Return how likely each token of a prompt is after those before it.

    Args:
        base: a decoder in eval mode.
        tokens: of the prompt, at least one.
        count: how many of the likeliest tokens are told in each place.
        tokenizer: makes texts of tokens.
    """
    ids = [int(one) for one in tokens]
    told = [TokenOdds.of(ids[0], {}, tokenizer)]
    for block in position_logits(base, torch.tensor([ids], device=base.device)):
        following = ids[len(told) : len(told) + len(block)]
        told += [
            token_odds(logits, token, count, tokenizer)
            for logits, token in zip(block, following, strict=False)
        ]
    return told
