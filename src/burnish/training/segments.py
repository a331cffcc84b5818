"""Attention for rows joined end to end: each row sees itself and nothing else.

A pack of rows is cut into runs of equal length. A run is a small dense batch, so PyTorch's
own attention works on it without a mask; nothing is computed between rows, and no memory is
spent on a mask of total x total.

Registered with transformers under names of our own, so that each layer of a model calls it in
place of its own attention. Called by `training.packing`; decoders have `training.causal_blocks`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from burnish.training.dropout import Noise
from burnish.training.products import unprepared
from burnish.training.runs_attention import dropped_attention

NAME = "burnish_packed"
_FIRSTS_MULTIPLE = 8  # first tokens


@dataclass(frozen=True, slots=True)
class Segments:
    """How a pack is divided: `runs` of (rows, tokens a row), in order, and its padding."""

    runs: tuple[tuple[int, int], ...]
    # Position of each row's first token, and zeros up to a multiple of 8: what is computed for
    # first tokens alone then has few shapes, for each of which oneDNN prepares a program.
    firsts: Tensor
    rest: int  # padding after the last row, in tokens

    @classmethod
    def of(cls, lengths: Tensor, total: int) -> "Segments":
        """Divide a pack of `total` tokens whose rows have these lengths, shape (rows,)."""
        runs: list[tuple[int, int]] = []
        for length in lengths.tolist():
            if runs and runs[-1][1] == length:
                runs[-1] = (runs[-1][0] + 1, length)
            else:
                runs.append((1, length))
        firsts = F.pad(lengths.cumsum(0) - lengths, (0, -len(lengths) % _FIRSTS_MULTIPLE))
        return cls(tuple(runs), firsts, total - int(lengths.sum()))

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(rows for rows, _ in self.runs)

    @property
    def sizes(self) -> list[int]:
        """Tokens of each run, and of the padding where there is some."""
        return [rows * length for rows, length in self.runs] + [self.rest] * (self.rest > 0)


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
    noise = _noise(module)
    states = [each[0].transpose(0, 1) for each in (query, key, value)]
    if dropout and noise is not None:
        scale = scaling or query.shape[-1] ** -0.5
        runs = segments.runs
        out = dropped_attention(*states, runs=runs, scale=scale, share=dropout, noise=noise)
    else:
        with unprepared():
            out = _fused_attention(*states, segments=segments, dropout=dropout, scaling=scaling)
    return out[None], None


def _noise(module: torch.nn.Module) -> Noise | None:
    """Return what a layer's dropout masks are drawn from, where they are ours."""
    return getattr(getattr(module, "dropout", None), "noise", None)


def _fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    segments: Segments,
    dropout: float,
    scaling: float | None,
) -> Tensor:
    """Attend by PyTorch's own kernel, a run at a time; all shapes (total, heads, size)."""
    # One split, not many slices: its backward pass is one concatenation, where each slice
    # would allocate and add a tensor of the whole pack.
    parts = [torch.split(states, segments.sizes) for states in (query, key, value)]
    outputs = []
    for (rows, length), *of_run in zip(segments.runs, *parts, strict=False):
        q, k, v = (
            states.view(rows, length, *states.shape[1:]).transpose(1, 2) for states in of_run
        )
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling)
        outputs.append(out.transpose(1, 2).reshape(rows * length, *query.shape[1:]))
    if segments.rest:
        outputs.append(query.new_zeros(segments.rest, *query.shape[1:]))
    return torch.cat(outputs)


@dataclass(frozen=True, slots=True)
class PaddedRows:
    """Rows that are padded to one length and then joined, for programs that are traced."""

    mask: Tensor  # shape (rows, length), 0 where a row is padded

    @property
    def firsts(self) -> Tensor:
        """Position of each row's first token, shape (rows,)."""
        rows, length = self.mask.shape
        return torch.arange(rows, device=self.mask.device) * length

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from the first tokens in plain operations; shapes as `first_token_attention`."""
        rows, length = self.mask.shape
        keys, values = (
            one.view(rows, length, *query.shape[1:]).transpose(1, 2) for one in (key, value)
        )
        scores = query[:, :, None] @ keys.transpose(2, 3) * query.shape[-1] ** -0.5
        hidden = torch.finfo(scores.dtype).min * (1 - self.mask[:, None, None].to(scores.dtype))
        gathered: Tensor = (scores + hidden).softmax(dim=-1) @ values
        return gathered[:, :, 0]


Rows = Segments | PaddedRows


def first_token_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: Rows,
    *,
    dropout: float,
) -> Tensor:
    """Attend from the first token of each row to the whole row.

    Args:
        module: the attention layer that asks; its dropout layer may bring its own noise.
        query: shape (firsts, heads, head size): the rows', and what fills them up.
        key: shape (total, heads, head size).
        value: of the same shape.
        segments: where rows begin and end.
        dropout: share of attention weights dropped, in [0, 1).

    Returns:
        Shape (firsts, heads, head size), zeros after the rows'.
    """
    if isinstance(segments, PaddedRows):
        return segments.attend(query, key, value)
    asked = query[: segments.rows]
    if dropout and (noise := _noise(module)) is not None:
        found = dropped_attention(
            asked,
            key,
            value,
            runs=segments.runs,
            scale=query.shape[-1] ** -0.5,
            share=dropout,
            noise=noise,
            first=True,
        )
    else:
        with unprepared():
            found = _fused_first_token(asked, key, value, segments, dropout=dropout)
    return F.pad(found, (0, 0, 0, 0, 0, len(query) - len(asked)))


def _fused_first_token(
    query: Tensor, key: Tensor, value: Tensor, segments: Segments, *, dropout: float
) -> Tensor:
    """Attend by PyTorch's own kernel, a run at a time; `query`: (rows, heads, head size)."""
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
def packed_calls(
    model: Any, name: str = NAME, attend: Callable[..., Any] = packed_attention
) -> Iterator[None]:
    """Let the layers of `model` attend otherwise inside the block, and as ever after it.

    Args:
        model: of transformers.
        name: under which transformers is told of it.
        attend: as transformers' interface asks.
    """
    # With a model it has long been imported; whoever has none is spared the seconds.
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(name, attend)
    own = model.config._attn_implementation
    model.config._attn_implementation = name
    try:
        yield
    finally:
        model.config._attn_implementation = own
