"""Attention of a decoder over rows joined end to end: each sees itself, backwards only.

Rows of like length become one dense block, filled up at their ends: what is behind a token is
hidden from it anyway, so a block needs no mask of its own, and one call of PyTorch's attention
does for many rows. What all rows begin with may come once, as a prefix that every row attends
to. Linear layers see neither the filling nor the prefix twice.

Registered with transformers under a name of our own. Called by `training.generators`; the tests
compare with one row at a time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

NAME = "burnish_causal_blocks"
_FILLED = 2  # a block has at most so many times the places that its rows have tokens


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of like length, next to each other in a pack."""

    rows: int
    longest: int  # tokens
    tokens: int  # of all rows together
    take: Tensor | None  # shape (rows * longest,), token of the block at each place; None: in order
    back: Tensor | None  # shape (tokens,), place of each token; None: in order
    mask: Tensor | None  # shape (longest, prefix + longest), where tokens look; None: no prefix

    @classmethod
    def of(cls, lengths: Sequence[int], *, prefix: int, device: torch.device) -> "Block":
        """Put rows of these lengths into one block."""
        longest, tokens = max(lengths), sum(lengths)
        take = back = mask = None
        if tokens < len(lengths) * longest:
            sizes = np.asarray(lengths)
            firsts = np.cumsum(sizes) - sizes
            place = np.arange(longest)
            # Behind a row's end its last token stands again; nobody before it looks there.
            index = firsts[:, None] + np.minimum(place, sizes[:, None] - 1)
            take = torch.from_numpy(index.reshape(-1)).to(device)
            used = (place < sizes[:, None]).reshape(-1)
            back = torch.from_numpy(np.flatnonzero(used)).to(device)
        if prefix:
            every = torch.ones(longest, prefix + longest, dtype=torch.bool, device=device)
            mask = every.tril(prefix)
        return cls(len(lengths), longest, tokens, take, back, mask)

    def filled(self, states: Tensor) -> Tensor:
        """Return (rows, heads, longest, size) of this block's (tokens, heads, size)."""
        placed = states if self.take is None else states.index_select(0, self.take)
        return placed.view(self.rows, self.longest, *states.shape[1:]).transpose(1, 2)

    def emptied(self, states: Tensor) -> Tensor:
        """Return (tokens, heads, size) of (rows, heads, longest, size)."""
        placed = states.transpose(1, 2).flatten(0, 1)
        return placed if self.back is None else placed.index_select(0, self.back)


@dataclass(frozen=True, slots=True)
class Blocks:
    """How a pack is divided: a prefix, blocks of rows, and padding."""

    prefix: int  # tokens before the first row that belong to every row
    blocks: tuple[Block, ...]
    rest: int  # padding after the last row, in tokens

    @classmethod
    def of(cls, lengths: Tensor, total: int, *, prefix: int, device: torch.device) -> "Blocks":
        """Divide a pack of `total` tokens whose rows have these own lengths, shape (rows,)."""
        groups: list[list[int]] = []
        for length in lengths.tolist():
            if groups:
                grown = [*groups[-1], length]
                if len(grown) * max(grown) <= _FILLED * sum(grown):
                    groups[-1] = grown
                    continue
            groups.append([length])
        blocks = tuple(Block.of(group, prefix=prefix, device=device) for group in groups)
        return cls(prefix, blocks, total - prefix - int(lengths.sum()))

    @property
    def sizes(self) -> list[int]:
        """Tokens of the prefix, of each block and of the padding; the first and last may be 0."""
        return [self.prefix, *(block.tokens for block in self.blocks), self.rest]


def attention(
    module: torch.nn.Module,  # noqa: ARG001  (the interface passes it)
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001
    *,
    blocks: Blocks,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend from each token of a pack to the prefix, and to its own row up to itself.

    Args:
        module: unused.
        query: shape (1, heads, total, head size).
        key: of the same shape, or with fewer heads.
        value: as `key`.
        attention_mask: unused; a pack has none.
        blocks: where rows begin and end.
        dropout: share of attention weights dropped, in [0, 1).
        scaling: factor on the scores; None: one over the root of the head size.

    Returns:
        Shape (1, total, heads, head size), zeros at padding; and no weights.
    """
    attend = partial(_attend, dropout=dropout, scaling=scaling)
    # One split, not many slices: its backward pass is one concatenation, where each slice
    # would allocate and add a tensor of the whole pack.
    states = [torch.split(each[0].transpose(0, 1), blocks.sizes) for each in (query, key, value)]
    prefix = [parts[0].transpose(0, 1)[None] for parts in states]  # each (1, heads, prefix, size)
    outputs = [attend(*prefix, mask=None)[0].transpose(0, 1)] if blocks.prefix else []
    for at, block in enumerate(blocks.blocks, start=1):
        q, *before = (block.filled(parts[at]) for parts in states)
        if blocks.prefix:
            pairs = zip(prefix[1:], before, strict=True)
            before = [torch.cat([p.expand(block.rows, -1, -1, -1), own], dim=2) for p, own in pairs]
        outputs.append(block.emptied(attend(q, *before, mask=block.mask)))
    outputs.append(torch.zeros_like(states[0][-1]))
    return torch.cat(outputs)[None], None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    mask: Tensor | None,
    dropout: float,
    scaling: float | None,
) -> Tensor:
    """Attend by PyTorch's own kernel, backwards only where there is no mask."""
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        scale=scaling,
        is_causal=mask is None,
        enable_gqa=query.shape[1] != key.shape[1],
    )
