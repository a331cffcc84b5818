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
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from burnish.training.dropout import Noise, amends

NAME = "burnish_dropped"
_CELLS = 1 << 18  # scores in a block: a megabyte in fp32
_OWN = "_burnish_attention"  # where a configuration keeps the name of its own attention


def use_dropped_attention(model: Any, noise: Noise) -> None:
    """Have an encoder-decoder attend so, with masks from a stream; in place."""
    for config in configurations(model):
        setattr(config, _OWN, config._attn_implementation)
        config._attn_implementation = NAME
    for part in _droppers(model):
        part.noise = noise


def use_own_attention(model: Any) -> None:
    """Undo `use_dropped_attention`."""
    for config in configurations(model):
        if hasattr(config, _OWN):
            config._attn_implementation = getattr(config, _OWN)
            delattr(config, _OWN)
    for part in _droppers(model):
        part.__dict__.pop("noise", None)


def _droppers(model: Any) -> list[Any]:
    """Return the parts that drop without a layer for it, of which attention is one."""
    return [one for one in model.modules() if isinstance(getattr(one, "dropout", None), float)]


def configurations(model: Any) -> list[Any]:
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


def _seen_keys(mask: Tensor | None, row: int, keys: int) -> tuple[int, Tensor | None]:
    """Return how many keys of a row are looked at, and which scores of those are not to be.

    Padding stands behind, so most rows need no mask of their own once it is cut off.
    """
    if mask is None:
        return keys, None
    seen = mask[min(row, mask.shape[0] - 1), 0]
    numbers = seen.view(torch.uint8)  # which have fast kernels, where booleans have none
    looked_at = numbers.amax(dim=0).nonzero()
    if not len(looked_at):
        return keys, ~seen
    last = int(looked_at[-1]) + 1
    return last, None if numbers[:, :last].amin() else ~seen[:, :last]


def _blocks(heads: int, cells: int) -> Iterator[slice]:
    """Yield some of the heads of a row, until all were there."""
    step = max(1, _CELLS // max(1, cells))
    for first in range(0, heads, step):
        yield slice(first, min(first + step, heads))


@dataclass(frozen=True, slots=True)
class _Block:
    """Some heads of a row, over the keys that it looks at."""

    row: int
    heads: slice
    keys: int

    def of(self, states: Tensor) -> Tensor:
        """Return this block's part of keys or values, shape (heads, keys, size)."""
        return states[self.row, self.heads, : self.keys]


def _mark_dropped(weights: Tensor, noise: Noise, share: float) -> Tensor:
    """Set the sign of attention weights that are dropped, in place: none of them is below 0.

    One tensor is then all that the way back needs, and both readings of it are fast.
    """
    sign = noise.drops(weights.shape, share, like=torch.int32).bitwise_left_shift_(31)
    weights.view(torch.int32).bitwise_or_(sign)
    return weights


class _Dropped(torch.autograd.Function):
    """Softmax attention with dropout and a bias; all in fp32, on whose sign bit it relies."""

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
        out = query.new_empty(rows, queries, heads, size)
        nothing = query.new_zeros(())
        blocks: list[_Block] = []
        held: list[Tensor] = []  # weights of each block, the dropped ones negative
        for row in range(rows):
            keys, hidden = _seen_keys(mask, row, key.shape[2])
            for part in _blocks(heads, queries * keys):
                block = _Block(row, part, keys)
                start = nothing if bias is None else bias[0, part, :, :keys]
                scores = torch.baddbmm(
                    start,
                    query[row, part],
                    block.of(key).transpose(1, 2),
                    beta=int(bias is not None),
                    alpha=scale,
                )
                if hidden is not None:
                    scores.masked_fill_(hidden, torch.finfo(scores.dtype).min)
                signed = _mark_dropped(torch.softmax(scores, dim=-1), noise, share)
                out[row, :, part] = (signed.clamp_min(0) @ block.of(value)).transpose(0, 1)
                blocks.append(block)
                held.append(signed)
        ctx.save_for_backward(query, key, value, *held)
        ctx.blocks, ctx.scale, ctx.amends = blocks, scale, amends(share)
        ctx.bias_shape = None if bias is None else bias.shape
        return out.mul_(ctx.amends)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *held = ctx.saved_tensors
        to_query, to_key, to_value = (torch.zeros_like(one) for one in (query, key, value))
        to_bias = query.new_zeros(ctx.bias_shape) if ctx.needs_input_grad[3] else None
        grad = grad * ctx.amends
        for block, signed in zip(ctx.blocks, held, strict=True):
            row, part = block.row, block.heads
            coming = grad[row, :, part].transpose(0, 1)
            block.of(to_value).copy_(signed.clamp_min(0).transpose(1, 2) @ coming)
            inner = coming @ block.of(value).transpose(1, 2)
            inner = torch.ops.aten.threshold_backward(inner, signed, 0)  # 0 where dropped
            inner = torch._softmax_backward_data(inner, signed.abs(), -1, inner.dtype)
            if to_bias is not None:
                to_bias[0, part, :, : block.keys] += inner
            to_query[row, part] = (inner @ block.of(key)).mul_(ctx.scale)
            block.of(to_key).copy_((inner.transpose(1, 2) @ query[row, part]).mul_(ctx.scale))
        return (to_query, to_key, to_value, to_bias, None, None, None, None)


ALL_ATTENTION_FUNCTIONS.register(NAME, dropped_pairs)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
