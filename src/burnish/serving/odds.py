"""How likely a model finds the tokens of a text, as `logprobs` of OpenAI's completions tells it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from burnish.training.generators import position_logits

_HALF = "\ufffd"  # what a token that is a part of a character is decoded as


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOdds:
    """One token in its place."""

    text: str
    logprob: float | None  # in nats; None for the first token of a prompt, which follows nothing
    top: Mapping[str, float]  # the likeliest tokens there and this one, by falling logprob

    @classmethod
    def of(cls, token: int, likeliest: Mapping[int, float], tokenizer: Any) -> Self:
        """Return what is told of a token.

        Args:
            token: its number.
            likeliest: logprobs in its place by token, falling, its own among them; none for the
                first token of a prompt.
            tokenizer: makes texts of tokens.
        """
        top: dict[str, float] = {}
        for number, logprob in likeliest.items():
            top.setdefault(token_text(number, tokenizer), logprob)
        return cls(text=token_text(token, tokenizer), logprob=likeliest.get(token), top=top)


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


def token_text(token: int, tokenizer: Any) -> str:
    """Return a token's text; of a part of a character, the vocabulary's own name for it."""
    text: str = tokenizer.decode([token])
    return str(tokenizer.convert_ids_to_tokens(token)) if _HALF in text else text
