"""One mask for all layers of an encoder-decoder that answers.

T5's layers share a bias of positions. To the bias each layer adds the mask of padding anew, and
then rounds the sum where it computes in bf16: of a text of 500 tokens two million numbers, a third
of what the encoder takes on a processor. Here the first layer does so, and the others find its sum.

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

from burnish.training.pair_attention import configurations

NAME = "burnish_shared_masks"
_FUSED = "sdpa"  # transformers' name of the attention that ours stands for

_of_thread = threading.local()  # `last`: mask, bias, and their sum


@contextmanager
def shared_masks(model: Any) -> Iterator[None]:
    """Have an encoder-decoder attend so inside the block; other models are left as they are."""
    configs = []
    if model.config.is_encoder_decoder:
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
    position_bias: Tensor | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' interface asks; return (rows, queries, heads, size), and None.

    Args:
        module: the layer that asks.
        query: shape (rows, heads, queries, size).
        key: shape (rows, heads, keys, size).
        value: of the same shape.
        attention_mask: boolean, (rows, 1, queries or 1, keys); None: all is looked at.
        position_bias: added to scores, (1, heads, queries, keys).
        more: passed on.
    """
    if attention_mask is not None and position_bias is not None:
        attention_mask = _summed(attention_mask, position_bias, key.dtype)
        position_bias = None
    found: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, position_bias=position_bias, **more
    )
    return found


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
