"""Attention with dropout over runs of equal rows, forwards and backwards by hand.

PyTorch's fused attention on a processor has no dropout; with it, it falls back to a dozen
small operations for each run, each a node of the autograd graph. Here a run is three batched
products and a softmax, and its backward pass five products that write into place.

Called by `training.segments` for training on a processor; tested against PyTorch's own.
"""

from typing import Any

import torch
from torch import Tensor

from burnish.training.dropout import Noise

Runs = tuple[tuple[int, int], ...]


def dropped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    runs: Runs,
    scale: float,
    share: float,
    noise: Noise,
) -> Tensor:
    """Attend within each row of a pack, dropping a share of the attention weights.

    Args:
        query: shape (total, heads, head size).
        key: of the same shape.
        value: of the same shape.
        runs: (rows, tokens a row), in order from the start of the pack; what is left of the
            pack after them gets zeros.
        scale: factor on the scores.
        share: of weights to drop, in (0, 1).
        noise: masks are drawn from it.

    Returns:
        Shape (total, heads, head size).
    """
    masks = [
        noise.mask(torch.Size((rows * query.shape[1], length, length)), share, dtype=query.dtype)
        for rows, length in runs
    ]
    # Autocast would widen the softmax but not its backward pass; all stays in one precision.
    with torch.autocast(query.device.type, enabled=False):
        out: Tensor = _RunsAttention.apply(  # type: ignore[no-untyped-call]  # torch has no types
            query, key, value, runs, scale, masks
        )
    return out


class _RunsAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        runs: Runs,
        scale: float,
        masks: list[Tensor],
    ) -> Tensor:
        out = query.new_zeros(query.shape)
        weights, start = [], 0
        for (rows, length), mask in zip(runs, masks, strict=True):
            end = start + rows * length
            q, k, v = (_by_head(states[start:end], rows) for states in (query, key, value))
            scores = _scaled_product(q, k.transpose(1, 2), scale)
            probability = torch.softmax(scores, dim=-1)
            _put(out[start:end], torch.bmm(probability * mask, v), rows)
            weights.append(probability)
            start = end
        ctx.save_for_backward(query, key, value, *weights)
        ctx.runs, ctx.scale, ctx.masks = runs, scale, masks
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        query, key, value, *weights = ctx.saved_tensors
        into = [
            torch.zeros_like(states, memory_format=torch.contiguous_format)
            for states in (query, key, value)
        ]
        start = 0
        for (rows, length), mask, probability in zip(ctx.runs, ctx.masks, weights, strict=True):
            end = start + rows * length
            q, k, v, g = (
                _by_head(states[start:end], rows) for states in (query, key, value, gradients[0])
            )
            dropped = probability * mask
            _put(into[2][start:end], torch.bmm(dropped.transpose(1, 2), g), rows)
            upper = torch.bmm(g, v.transpose(1, 2)).mul_(mask)
            scores = torch.ops.aten._softmax_backward_data(
                upper, probability, -1, probability.dtype
            )
            _put(into[0][start:end], _scaled_product(scores, k, ctx.scale), rows)
            _put(into[1][start:end], _scaled_product(scores.transpose(1, 2), q, ctx.scale), rows)
            start = end
        return (*into, None, None, None)


def _by_head(states: Tensor, rows: int) -> Tensor:
    """Return (rows * heads, tokens, size) of (rows * tokens, heads, size); no copy for one row."""
    if rows == 1:
        return states.transpose(0, 1)
    return states.view(rows, -1, *states.shape[1:]).transpose(1, 2).flatten(0, 1)


def _put(place: Tensor, states: Tensor, rows: int) -> None:
    """Write (rows * heads, tokens, size) into (rows * tokens, heads, size)."""
    if rows == 1:
        place.copy_(states.transpose(0, 1))
    else:
        by_row = states.view(rows, -1, *states.shape[1:])  # (rows, heads, tokens, size)
        place.view(rows, -1, *place.shape[1:]).transpose(1, 2).copy_(by_row)


def _scaled_product(left: Tensor, right: Tensor, scale: float) -> Tensor:
    """Return scale * left @ right for batches of matrices, without a pass to scale."""
    unused = left.new_zeros(())
    return torch.baddbmm(unused, left, right, beta=0, alpha=scale)
