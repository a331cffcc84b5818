"""Attention with dropout for encoder-decoders on a processor: a head at a time, in its cache.

Where attention weights are dropped PyTorch has no kernel for the processor: it writes the scores of
all heads to memory once for each of a dozen operations, and draws one random number a score on one
core. Here the scores of as many heads as fit a core's cache go through all of them at once, and
masks are drawn as those of other layers are. A bias of positions is added where it is needed,
and never copied for each row. Under autocast it computes in autocast's precision, as PyTorch's own
attention does.

Registered with transformers under a name of our own, with the masks that its fused attention takes;
without dropout that is what answers. Rows are padded. Called by `training.fit`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from burnish.tasks.batch import padded_length
from burnish.training.dropout import INTEGERS, Noise, amends
from burnish.training.hardware import computing_dtype

NAME = "burnish_dropped"
_BYTES = 1 << 20  # of the scores in a block
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
    kind = computing_dtype(query)
    states = (one.to(kind) for one in (query, key, value))
    with torch.autocast(query.device.type, enabled=False):
        found: Tensor = _Dropped.apply(  # type: ignore[no-untyped-call]  # torch has no types
            *states, position_bias, attention_mask, scale, dropout, noise
        )
    return found, None


@dataclass(frozen=True, slots=True)
class _Sight:
    """What a row looks at: padding stands behind, so most of it is not even computed."""

    keys: int  # that are computed: those up to the last one seen, and a few, for fewer shapes
    last: int  # after it nothing is seen
    hidden: Tensor | None  # which scores up to there are not to be, (queries or 1, last)

    @classmethod
    def of(cls, mask: Tensor | None, row: int, keys: int) -> Self:
        """Return what a mask, as `dropped_pairs` takes it, says of a row."""
        if mask is None:
            return cls(keys, keys, None)
        seen = mask[min(row, mask.shape[0] - 1), 0]
        numbers = seen.view(torch.uint8)  # which have fast kernels, where booleans have none
        looked_at = numbers.amax(dim=0).nonzero()
        if not len(looked_at):
            return cls(keys, keys, ~seen)
        last = int(looked_at[-1]) + 1
        hidden = None if numbers[:, :last].amin() else ~seen[:, :last]
        return cls(min(keys, padded_length(last)), last, hidden)

    def hide(self, scores: Tensor) -> None:
        """Make sure that what is not to be seen weighs nothing; (heads, queries, keys)."""
        least = torch.finfo(scores.dtype).min
        scores[:, :, self.last :] = least
        if self.hidden is not None:
            scores[:, :, : self.last].masked_fill_(self.hidden, least)


def _blocks(heads: int, head_bytes: int) -> Iterator[slice]:
    """Yield some of the heads of a row, until all were there."""
    step = max(1, _BYTES // max(1, head_bytes))
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
    kind = INTEGERS[weights.itemsize]
    sign = noise.drops(weights.shape, share, like=kind).bitwise_left_shift_(8 * kind.itemsize - 1)
    weights.view(kind).bitwise_or_(sign)
    return weights


def _kept(weights: Tensor) -> Tensor:
    """Return marked weights with 0 in place of the dropped ones; integers are faster for it."""
    return weights.view(INTEGERS[weights.itemsize]).clamp_min(0).view(weights.dtype)


class _Dropped(torch.autograd.Function):
    """Softmax attention with dropout and a bias, in the precision of what is given."""

    @staticmethod
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
        added = query.new_zeros(heads, 1, 1) if bias is None else bias[0].to(query.dtype)
        blocks: list[_Block] = []
        held: list[Tensor] = []  # weights of each block, the dropped ones negative
        for row in range(rows):
            sight = _Sight.of(mask, row, key.shape[2])
            for part in _blocks(heads, queries * sight.keys * query.itemsize):
                block = _Block(row, part, sight.keys)
                scores = torch.baddbmm(
                    added[part, :, : block.keys],
                    query[row, part],
                    block.of(key).transpose(1, 2),
                    beta=int(bias is not None),
                    alpha=scale,
                )
                sight.hide(scores)
                signed = _mark_dropped(torch.softmax(scores, dim=-1), noise, share)
                out[row, :, part] = (_kept(signed) @ block.of(value)).transpose(0, 1)
                blocks.append(block)
                held.append(signed)
        ctx.save_for_backward(query, key, value, *held)
        ctx.blocks, ctx.scale, ctx.amends = blocks, scale, amends(share)
        ctx.bias = None if bias is None else (bias.shape, bias.dtype)
        return out.mul_(ctx.amends)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, *held = ctx.saved_tensors
        to_query, to_key, to_value = (torch.zeros_like(one) for one in (query, key, value))
        to_bias = None
        if ctx.needs_input_grad[3]:
            shape, kind = ctx.bias
            to_bias = query.new_zeros(shape, dtype=kind)
        grad = grad * ctx.amends
        for block, signed in zip(ctx.blocks, held, strict=True):
            row, part = block.row, block.heads
            coming = grad[row, :, part].transpose(0, 1)
            # Turned so that what is as large as the scores is never laid out anew.
            turned = coming.transpose(1, 2) @ _kept(signed)
            block.of(to_value).copy_(turned.transpose(1, 2))
            inner = coming @ block.of(value).transpose(1, 2)
            inner = torch.ops.aten.threshold_backward(inner, signed, 0)  # 0 where dropped
            inner = torch._softmax_backward_data(inner, signed.abs(), -1, inner.dtype)
            if to_bias is not None:
                to_bias[0, part, :, : block.keys] += inner
            to_query[row, part] = (inner @ block.of(key)).mul_(ctx.scale)
            turned = query[row, part].transpose(1, 2) @ inner
            block.of(to_key).copy_(turned.transpose(1, 2)).mul_(ctx.scale)
        return (to_query, to_key, to_value, to_bias, None, None, None, None)


ALL_ATTENTION_FUNCTIONS.register(NAME, dropped_pairs)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, sdpa_mask)
