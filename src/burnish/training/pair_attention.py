"""Attention with dropout for encoder-decoders on a processor: a head at a time, in its cache.

Where attention weights are dropped PyTorch has no kernel for the processor: it writes the scores of
all heads to memory once for each of a dozen operations, and draws one random number a score on one
core. Here the scores of as many heads as fit a core's cache go through all of them at once, and
masks are drawn as those of other layers are. A bias of positions is added where it is needed,
and never copied for each row.

Registered with transformers under a name of our own, with the masks that its fused attention takes;
without dropout that is what answers. Rows are padded. Called by `training.fit`.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from burnish.training.dropout import Noise

NAME = "burnish_dropped"
_CELLS = 1 << 18  # scores in a block: a megabyte in fp32
_OWN = "_burnish_attention"  # where a configuration keeps the name of its own attention


def use_dropped_attention(model: Any, noise: Noise) -> None:
    """Have an encoder-decoder attend so, with masks from a stream; in place."""
    for config in _configs(model):
        setattr(config, _OWN, config._attn_implementation)
        config._attn_implementation = NAME
    for part in _droppers(model):
        part.noise = noise


def use_own_attention(model: Any) -> None:
    """Undo `use_dropped_attention`."""
    for config in _configs(model):
        if hasattr(config, _OWN):
            config._attn_implementation = getattr(config, _OWN)
            delattr(config, _OWN)
    for part in _droppers(model):
        part.__dict__.pop("noise", None)


def _droppers(model: Any) -> list[Any]:
    """Return the parts that drop without a layer for it, of which attention is one."""
    return [one for one in model.modules() if isinstance(getattr(one, "dropout", None), float)]


def _configs(model: Any) -> list[Any]:
    """Return the configurations that the parts of a model look their attention up in."""
    found = {id(one): one for part in model.modules() if (one := getattr(part, "config", None))}
    return list(found.values())


def dropped_pairs(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    position_bias: Tensor | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attend as transformers' interface asks; return (rows, queries, heads, size), and None.

    Args:
        module: the layer that asks; `is_causal` says whether it may look ahead without a mask.
        query: shape (rows, heads, queries, size).
        key: shape (rows, heads, keys, size).
        value: of the same shape.
        attention_mask: boolean, (rows, 1, queries or 1, keys); None: see `is_causal`.
        dropout: share of attention weights dropped, in [0, 1).
        scaling: of scores; None: by the size of a head.
        position_bias: added to scores, (1, heads, queries, keys).
        more: `is_causal` in place of the layer's own; passed on where nothing is dropped.
    """
    noise = getattr(module, "noise", None)
    if not dropout or noise is None:
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module,
            query,
            key,
            value,
            attention_mask,
            dropout=dropout,
            scaling=scaling,
            position_bias=position_bias,
            **more,
        )
        return plain
    queries, keys = query.shape[2], key.shape[2]
    causal = more.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    if attention_mask is None and queries > 1 and causal:
        attention_mask = torch.ones(1, 1, queries, keys, dtype=torch.bool).tril()
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    found: Tensor = _Dropped.apply(  # type: ignore[no-untyped-call]  # torch has no types
        query, key, value, position_bias, attention_mask, scale, dropout, noise
    )
    return found, None


def _blocks(rows: int, heads: int, cells: int) -> Iterator[tuple[int, slice]]:
    """Yield a row and some of its heads, until all were there."""
    step = max(1, _CELLS // max(1, cells))
    for row in range(rows):
        for first in range(0, heads, step):
            yield row, slice(first, min(first + step, heads))


class _Dropped(torch.autograd.Function):
    """Softmax attention with dropout and a bias; everything in fp32."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)  # type: ignore[untyped-decorator]
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        scale: float,
        share: float,
        noise: Noise,
    ) -> Tensor:
        rows, heads, queries, size = query.shape
        cells = queries * key.shape[2]
        seen = None if mask is None else mask.expand(rows, 1, -1, -1).bool()
        weights = query.new_empty(rows, heads, queries, key.shape[2])
        factors = torch.empty_like(weights)
        out = query.new_empty(rows, queries, heads, size)
        for row, part in _blocks(rows, heads, cells):
            scores = query[row, part] @ key[row, part].transpose(1, 2)
            if scale != 1:
                scores *= scale
            if bias is not None:
                scores += bias[0, part]
            if seen is not None:
                scores.masked_fill_(~seen[row], torch.finfo(scores.dtype).min)
            kept = torch.softmax(scores, dim=-1, out=weights[row, part])
            factor = noise.mask(kept.shape, share, dtype=kept.dtype)
            factors[row, part] = factor
            out[row, :, part] = ((kept * factor) @ value[row, part]).transpose(0, 1)
        ctx.save_for_backward(query, key, value, weights, factors)
        ctx.scale = scale
        return out

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, factors = ctx.saved_tensors
        rows, heads, queries, _ = query.shape
        grads = [torch.empty_like(one) for one in (query, key, value)]
        for_bias = None
        if ctx.needs_input_grad[3]:
            for_bias = weights.new_zeros(1, *weights.shape[1:])
        for row, part in _blocks(rows, heads, queries * key.shape[2]):
            kept, factor = weights[row, part], factors[row, part]
            coming = grad[row, :, part].transpose(0, 1)
            grads[2][row, part] = (kept * factor).transpose(1, 2) @ coming
            inner = coming @ value[row, part].transpose(1, 2)
            inner *= factor
            inner = torch._softmax_backward_data(inner, kept, -1, inner.dtype)
            if for_bias is not None:
                for_bias[0, part] += inner
            if ctx.scale != 1:
                inner *= ctx.scale
            grads[0][row, part] = inner @ key[row, part]
            grads[1][row, part] = inner.transpose(1, 2) @ query[row, part]
        return (*grads, for_bias, None, None, None, None)


ALL_ATTENTION_FUNCTIONS.register(NAME, dropped_pairs)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
