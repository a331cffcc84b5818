"""Attention of models that write, where they answer.

One sum of masks for all layers: T5's layers share a bias of positions. To the bias each layer adds
the mask of padding anew, and then rounds the sum where it computes in bf16: of a text of 500 tokens
two million numbers, a third of what the encoder takes on a processor. Here the first layer does so,
and the others find its sum.

One token in bf16 by plain products: PyTorch's fused attention takes five to ten times as long for a
single query of each row on a processor without tiles of bf16, however many keys there are.

Registered with transformers under a name of our own, with the masks that its fused attention takes.
Called by `training.predict`.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from burnish.training.generators import packs_decoder
from burnish.training.pair_attention import configurations

NAME = "burnish_answering"
_FUSED = "sdpa"  # transformers' name of the attention that ours stands for

_of_thread = threading.local()  # `last`: mask, bias, and their sum


@contextmanager
def answering_attention(model: Any) -> Iterator[None]:
    """Have a model that writes attend so inside the block; other models are left as they are."""
    configs = []
    if model.config.is_encoder_decoder or packs_decoder(model):
        configs = [one for one in configurations(model) if one._attn_implementation == _FUSED]
    for config in configs:
        config._attn_implementation = NAME
    try:
        yield
    finally:
        for config in configs:
            config._attn_implementation = _FUSED
        _of_thread.last = None


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' interface asks; return (rows, queries, heads, size), and None.

    Args:
        module: the layer that asks.
        query: shape (rows, heads, queries, size).
        key: shape (rows, heads, keys, size), or with fewer heads, each for several queries.
        value: as `key`.
        attention_mask: boolean, (rows, 1, queries or 1, keys); None: all, or all before.
        scaling: of scores; None: by the size of a head.
        position_bias: added to scores, (1, heads, queries, keys).
        more: passed on.
    """
    if attention_mask is not None and position_bias is not None:
        attention_mask = _summed(attention_mask, position_bias, key.dtype)
        position_bias = None
    if query.shape[2] == 1 and query.device.type == "cpu" and key.dtype == torch.bfloat16:
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        seen = position_bias if attention_mask is None else attention_mask
        with torch.autocast("cpu", enabled=False):
            return _of_one_token(query.to(key.dtype) * scale, key, value, seen), None
    found: tuple[Tensor, None] = sdpa_attention_forward(
        module,
        query,
        key,
        value,
        attention_mask,
        scaling=scaling,
        position_bias=position_bias,
        **more,
    )
    return found


def _of_one_token(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None) -> Tensor:
    """Attend from one token of each row, shape (rows, heads, 1, size); return (rows, 1, heads, …).

    `seen`: what is looked at, (rows, 1, 1, keys), or what is added to scores, (…, heads, 1, keys).
    """
    rows, heads, _, size = query.shape
    asked = query.reshape(rows, key.shape[1], -1, size)  # heads that share keys ask together
    scores = (asked @ key.transpose(2, 3)).view(rows, heads, 1, -1)
    if seen is not None and seen.dtype == torch.bool:
        scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    elif seen is not None:
        scores = scores + seen.to(scores.dtype)
    weights = scores.softmax(dim=-1).view(rows, key.shape[1], -1, scores.shape[-1])
    return (weights @ value.to(weights.dtype)).view(rows, heads, 1, size).transpose(1, 2)


def _summed(mask: Tensor, bias: Tensor, dtype: torch.dtype) -> Tensor:
    """Return what is added to scores, shape (rows, heads, queries, keys)."""
    last = getattr(_of_thread, "last", None)
    if last and last[0] is mask and last[1] is bias and last[2].dtype == dtype:
        kept: Tensor = last[2]
        return kept
    found = torch.where(mask, bias, torch.finfo(dtype).min).to(dtype)
    _of_thread.last = mask, bias, found
    return found


ALL_ATTENTION_FUNCTIONS.register(NAME, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
