"""Attention with dropout over short rows, forwards and backwards by hand.

PyTorch's fused attention on a processor has no dropout; with it, it falls back to a dozen
small operations for each run of equal rows, each a node of the autograd graph. Here all rows of a
pack are laid out head by head, and rows that follow one another are padded to one block, so that a
block is three batched products and a softmax, and five products backwards, none of which copies
what it reads. A block is kept so small that it stays in a core's cache, which matters more than
how few there are.

Called by `training.segments` for training on a processor; tested against PyTorch's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import torch
from torch import Tensor

from burnish.training.dropout import Noise

Runs = tuple[tuple[int, int], ...]

# Measured on 12 heads of 32: rows of a block times the square of the longest, and how much of
# that may be padding.
_AREA, _PADDING = 8192, 2048
_NARROW = 64  # tokens; up to here products in fp32 are faster than those in bf16
# For those in bf16 oneDNN prepares, and keeps, a program for every new shape.
_WIDE_MULTIPLE = 16  # tokens


def dropped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    runs: Runs,
    scale: float,
    share: float,
    noise: Noise,
    first: bool = False,
) -> Tensor:
    """Attend within each row of a pack, dropping a share of the attention weights.

    Args:
        query: shape (total, heads, head size); if `first`, (rows, heads, head size).
        key: shape (total, heads, head size).
        value: of the same shape.
        runs: (rows, tokens a row), in order from the start of the pack; what is left of the
            pack after them gets zeros.
        scale: factor on the scores.
        share: of weights to drop, in (0, 1).
        noise: masks are drawn from it.
        first: attend from the first token of each row alone.

    Returns:
        The shape of the query.
    """
    layout = _layout(runs, query.shape[1])
    dtype = torch.promote_types(query.dtype, torch.float32)
    mask = noise.mask(torch.Size((layout.weights(first=first),)), share, dtype=dtype)
    # Autocast would widen the softmax but not its backward pass; a block has one precision.
    with torch.autocast(query.device.type, enabled=False):
        out: Tensor = _BlockAttention.apply(  # type: ignore[no-untyped-call]  # torch has no types
            query, key, value, layout, scale, mask, first
        )
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Rows that are computed together: a slice of what is laid out."""

    batch: int  # rows * heads
    length: int  # tokens of the longest row
    cells: slice
    firsts: slice  # of the queries, where only the first token of each row asks
    hidden: Tensor | None  # (batch, 1, length), -inf at padding; None: there is none

    def precisely(self, dtype: torch.dtype, *states: Tensor) -> Sequence[Tensor]:
        """Return what is computed with, in the precision of the pack where the block is wide."""
        return states if self.length <= _NARROW else [one.to(dtype) for one in states]

    def shape(self, *, first: bool) -> tuple[int, int, int]:
        """Return the shape of the attention weights."""
        return self.batch, 1 if first else self.length, self.length

    def read(self, states: Tensor) -> Tensor:
        """Return the block's keys or values, (batch, length, size), as a view."""
        return states[self.cells].view(self.batch, self.length, -1)

    def asked(self, states: Tensor, *, first: bool) -> Tensor:
        """Return the block's queries, (batch, length or 1, size), as a view."""
        if first:
            return states[self.firsts].view(self.batch, 1, -1)
        return self.read(states)


@dataclass(frozen=True, slots=True, eq=False)
class _Layout:
    """Where each token of a pack stands when rows are padded to blocks, head by head.

    A cell is one head of one token: `head size` numbers that lie together.
    """

    blocks: tuple[_Block, ...]
    sources: Tensor  # (cells,), which cell of the pack is at each place
    places: Tensor  # (tokens * heads,), where each cell of the pack is
    real: Tensor | None  # (cells, 1), 1 at tokens and 0 at padding; None: there is none

    def weights(self, *, first: bool) -> int:
        """Return how many attention weights there are."""
        return sum(prod(block.shape(first=first)) for block in self.blocks)

    def masks(self, mask: Tensor, *, first: bool) -> Iterator[Tensor]:
        """Yield each block's part of a flat mask."""
        shapes = [block.shape(first=first) for block in self.blocks]
        parts = torch.split(mask, [prod(shape) for shape in shapes])
        return (part.view(shape) for part, shape in zip(parts, shapes, strict=True))

    def lay_out(self, states: Tensor, dtype: torch.dtype, *, first: bool = False) -> Tensor:
        """Return (cells, size) of a pack's (total, heads, size), or of its first tokens alone."""
        flat = states.reshape(-1, states.shape[-1])
        return (flat if first else flat.index_select(0, self.sources)).to(dtype)

    def take_up(
        self, found: Tensor, shape: torch.Size, dtype: torch.dtype, *, first: bool = False
    ) -> Tensor:
        """Return what was laid out in the shape it came in, zeros after the last row."""
        if first:
            return found.view(shape).to(dtype)
        flat, filled = found.new_empty((shape[0] * shape[1], shape[2]), dtype=dtype), self.places
        flat[: len(filled)] = found.index_select(0, filled)
        flat[len(filled) :] = 0
        return flat.view(shape)


@lru_cache(maxsize=8)  # all layers of a pass ask for the same
def _layout(runs: Runs, heads: int) -> _Layout:
    blocks, sources, real, token, row, cell = [], [], [], 0, 0, 0
    for lengths in _divided([length for rows, length in runs for _ in range(rows)]):
        rows, longest = len(lengths), _padded(max(lengths))
        own = torch.tensor(lengths)
        within = torch.arange(longest)
        filled = within < own[:, None]
        holds = filled[:, None].expand(rows, heads, longest)
        # Padding repeats its row's first token, whose score is hidden.
        tokens = token + (own.cumsum(0) - own)[:, None] + within * filled
        sources.append((tokens[:, None] * heads + torch.arange(heads)[:, None]).flatten())
        real.append(holds.flatten())
        hidden = None
        if min(lengths) < longest:
            hidden = torch.zeros(holds.shape).masked_fill_(~holds, -torch.inf)
            hidden = hidden.view(rows * heads, 1, longest)
        blocks.append(
            _Block(
                batch=rows * heads,
                length=longest,
                cells=slice(cell, cell := cell + rows * heads * longest),
                firsts=slice(row * heads, (row := row + rows) * heads),
                hidden=hidden,
            )
        )
        token += sum(lengths)
    source, exists = torch.cat(sources), torch.cat(real)
    places = torch.empty(token * heads, dtype=torch.int64)
    places[source[exists]] = exists.nonzero()[:, 0]
    return _Layout(
        blocks=tuple(blocks),
        sources=source,
        places=places,
        real=None if bool(exists.all()) else exists[:, None],
    )


def _padded(length: int) -> int:
    return length if length <= _NARROW else -(-length // _WIDE_MULTIPLE) * _WIDE_MULTIPLE


def _divided(lengths: list[int]) -> Iterator[list[int]]:
    """Yield the lengths of each block's rows, in order."""
    block: list[int] = []
    for length in lengths:
        area = (len(block) + 1) * max([*block, length]) ** 2
        padding = area - sum(one**2 for one in block) - length**2
        if block and (area > _AREA or padding > _PADDING):
            yield block
            block = []
        block.append(length)
    yield block


class _BlockAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        layout: _Layout,
        scale: float,
        mask: Tensor,
        first: bool,
    ) -> Tensor:
        q = layout.lay_out(query, mask.dtype, first=first)
        k, v = (layout.lay_out(states, mask.dtype) for states in (key, value))
        out, weights = torch.empty_like(q), []
        for block, dropped in zip(layout.blocks, layout.masks(mask, first=first), strict=True):
            into = block.asked(out, first=first)
            asked, keys, values, kept = block.precisely(
                query.dtype, block.asked(q, first=first), block.read(k), block.read(v), dropped
            )
            scores = _scaled_product(asked, keys.transpose(1, 2), scale, plus=block.hidden)
            weights.append(torch.softmax(scores, dim=-1))
            into.copy_(torch.bmm(weights[-1] * kept, values))
        ctx.save_for_backward(q, k, v, mask, *weights)
        ctx.layout, ctx.scale, ctx.first = layout, scale, first
        ctx.shapes, ctx.dtype = (query.shape, key.shape), query.dtype
        return layout.take_up(out, query.shape, query.dtype, first=first)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        q, k, v, mask, *weights = ctx.saved_tensors
        layout, first = ctx.layout, ctx.first
        g = layout.lay_out(gradients[0], mask.dtype, first=first)
        if layout.real is not None and not first:
            g *= layout.real
        to_q, to_k, to_v = (torch.empty_like(states) for states in (q, k, v))
        masks = layout.masks(mask, first=first)
        for block, dropped, probability in zip(layout.blocks, masks, weights, strict=True):
            asked, given, keys, values, kept = block.precisely(
                ctx.dtype,
                block.asked(q, first=first),
                block.asked(g, first=first),
                block.read(k),
                block.read(v),
                dropped,
            )
            block.read(to_v).copy_(torch.bmm((probability * kept).transpose(1, 2), given))
            upper = torch.bmm(given, values.transpose(1, 2)).mul_(kept)
            scores = torch.ops.aten._softmax_backward_data(
                upper, probability, -1, probability.dtype
            )
            block.asked(to_q, first=first).copy_(_scaled_product(scores, keys, ctx.scale))
            block.read(to_k).copy_(_scaled_product(scores.transpose(1, 2), asked, ctx.scale))
        asking, read = ctx.shapes
        of_query = layout.take_up(to_q, asking, ctx.dtype, first=first)
        of_key, of_value = (layout.take_up(one, read, ctx.dtype) for one in (to_k, to_v))
        return of_query, of_key, of_value, None, None, None, None


def _scaled_product(
    left: Tensor, right: Tensor, scale: float, *, plus: Tensor | None = None
) -> Tensor:
    """Return plus + scale * left @ right for batches of matrices, in one pass."""
    if plus is None:
        return torch.baddbmm(left.new_zeros(()), left, right, beta=0, alpha=scale)
    return torch.baddbmm(plus.to(left.dtype), left, right, alpha=scale)
