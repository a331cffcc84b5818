"""Attention for rows joined end to end: each row sees itself and nothing else.

A pack of rows is cut into runs of equal length. A run is a small dense batch, so PyTorch's
own attention works on it without a mask; nothing is computed between rows, and no memory is
spent on a mask of total x total. In a decoder, what all rows begin with may come once, as a
prefix that every row attends to.

Registered with transformers under names of our own, so that each layer of a model calls it in
place of its own attention. Called by `training.packing` and `training.generators`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from burnish.training.runs_attention import dropped_attention

NAME = "burnish_packed"
CAUSAL = "burnish_packed_causal"

Attend = Callable[..., Tensor]


@dataclass(frozen=True, slots=True)
class Segments:
    """How a pack is divided: a prefix, `runs` of (rows, tokens a row), in order, and padding."""

    runs: tuple[tuple[int, int], ...]
    starts: Tensor  # shape (rows,), position of each row's first token
    rest: int  # padding after the last row, in tokens
    prefix: int = 0  # tokens before the first row that belong to every row

    @classmethod
    def of(cls, lengths: Tensor, total: int, *, prefix: int = 0) -> "Segments":
        """Divide a pack of `total` tokens whose rows have these lengths, shape (rows,)."""
        runs: list[tuple[int, int]] = []
        for length in lengths.tolist():
            if runs and runs[-1][1] == length:
                runs[-1] = (runs[-1][0] + 1, length)
            else:
                runs.append((1, length))
        starts = prefix + lengths.cumsum(0) - lengths
        return cls(tuple(runs), starts, total - prefix - int(lengths.sum()), prefix)

    @property
    def sizes(self) -> list[int]:
        """Tokens of the prefix and of the padding, where there are some, around those of runs."""
        of_runs = [rows * length for rows, length in self.runs]
        return [self.prefix] * (self.prefix > 0) + of_runs + [self.rest] * (self.rest > 0)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  (the interface passes it)
    *,
    segments: Segments,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend within each row of a pack.

    Args:
        module: the attention layer that asks; its dropout layer may bring its own noise.
        query: shape (1, heads, total, head size).
        key: of the same shape.
        value: of the same shape.
        attention_mask: unused; a pack has none.
        segments: where rows begin and end.
        dropout: share of attention weights dropped, in [0, 1).
        scaling: factor on the scores; None: one over the root of the head size.

    Returns:
        Shape (1, total, heads, head size), zeros at padding; and no weights.
    """
    noise = getattr(getattr(module, "dropout", None), "noise", None)
    states = [each[0].transpose(0, 1) for each in (query, key, value)]
    if dropout and noise is not None:
        scale = scaling or query.shape[-1] ** -0.5
        runs = segments.runs
        out = dropped_attention(*states, runs=runs, scale=scale, share=dropout, noise=noise)
    else:
        attend = partial(_attend, dropout=dropout, scaling=scaling)
        out = _fused_attention(*states, segments=segments, attend=attend)
    return out[None], None


def packed_causal_attention(
    module: torch.nn.Module,  # noqa: ARG001  (the interface passes it)
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001
    *,
    segments: Segments,
    dropout: float = 0.0,
    scaling: float | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Attend, as `packed_attention` does, to oneself and what is before; key heads may be fewer."""
    states = [each[0].transpose(0, 1) for each in (query, key, value)]
    attend = partial(_attend, dropout=dropout, scaling=scaling)
    if segments.prefix:
        out = _attention_after_prefix(*states, segments=segments, attend=attend)
    else:
        out = _fused_attention(*states, segments=segments, attend=partial(attend, is_causal=True))
    return out[None], None


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    dropout: float,
    scaling: float | None,
    mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    """Attend by PyTorch's own kernel; shapes (rows, heads, tokens, size)."""
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        dropout_p=dropout,
        scale=scaling,
        is_causal=is_causal,
        enable_gqa=query.shape[1] != key.shape[1],
    )


def _fused_attention(
    query: Tensor, key: Tensor, value: Tensor, *, segments: Segments, attend: Attend
) -> Tensor:
    """Attend a run at a time; all shapes (total, heads, size)."""
    # One split, not many slices: its backward pass is one concatenation, where each slice
    # would allocate and add a tensor of the whole pack.
    parts = [torch.split(states, segments.sizes) for states in (query, key, value)]
    outputs = []
    for (rows, _), *of_run in zip(segments.runs, *parts, strict=False):
        out = attend(*(_by_row(states, rows) for states in of_run))
        outputs.append(out.transpose(1, 2).flatten(0, 1))
    return _with_rest(outputs, query, segments)


def _attention_after_prefix(
    query: Tensor, key: Tensor, value: Tensor, *, segments: Segments, attend: Attend
) -> Tensor:
    """Attend backwards within the prefix, and from each row to the prefix and to itself."""
    parts = [torch.split(states, segments.sizes) for states in (query, key, value)]
    prefix = [_by_row(states[0], 1) for states in parts]
    outputs = [attend(*prefix, is_causal=True)[0].transpose(0, 1)]
    for (rows, length), *of_run in zip(segments.runs, *(part[1:] for part in parts), strict=False):
        q, *own = (_by_row(states, rows) for states in of_run)
        k, v = (
            torch.cat([first.expand(rows, -1, -1, -1), after], dim=2)
            for first, after in zip(prefix[1:], own, strict=True)
        )
        mask = query.new_ones(length, segments.prefix + length, dtype=torch.bool)
        out = attend(q, k, v, mask=mask.tril(segments.prefix))
        outputs.append(out.transpose(1, 2).flatten(0, 1))
    return _with_rest(outputs, query, segments)


def _by_row(states: Tensor, rows: int) -> Tensor:
    """Return (rows, heads, tokens, size) of (rows * tokens, heads, size)."""
    return states.view(rows, -1, *states.shape[1:]).transpose(1, 2)


def _with_rest(outputs: list[Tensor], query: Tensor, segments: Segments) -> Tensor:
    """Join what was attended, and zeros for the padding."""
    if segments.rest:
        outputs.append(query.new_zeros(segments.rest, *query.shape[1:]))
    return torch.cat(outputs)


def first_token_attention(
    query: Tensor, key: Tensor, value: Tensor, segments: Segments, *, dropout: float
) -> Tensor:
    """Attend from the first token of each row to the whole row.

    Args:
        query: shape (rows, heads, head size).
        key: shape (total, heads, head size).
        value: of the same shape.
        segments: where rows begin and end.
        dropout: share of attention weights dropped, in [0, 1).

    Returns:
        Shape (rows, heads, head size).
    """
    queries = torch.split(query, [rows for rows, _ in segments.runs])
    keys, values = torch.split(key, segments.sizes), torch.split(value, segments.sizes)
    outputs = []
    for (rows, length), q, k, v in zip(segments.runs, queries, keys, values, strict=False):
        shape = (rows, length, *k.shape[1:])
        out = F.scaled_dot_product_attention(
            q[:, :, None],
            k.view(shape).transpose(1, 2),
            v.view(shape).transpose(1, 2),
            dropout_p=dropout,
        )
        outputs.append(out[:, :, 0])
    return torch.cat(outputs)


@contextmanager
def packed_calls(model: Any, name: str = NAME) -> Iterator[None]:
    """Let the layers of `model` use packed attention inside the block, and their own after it."""
    own = model.config._attn_implementation
    model.config._attn_implementation = name
    try:
        yield
    finally:
        model.config._attn_implementation = own


ALL_ATTENTION_FUNCTIONS.register(NAME, packed_attention)
ALL_ATTENTION_FUNCTIONS.register(CAUSAL, packed_causal_attention)
