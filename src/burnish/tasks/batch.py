"""Put rows of tokens into one batch, padded or packed end to end.

Padded: every row is filled up to the longest. Packed: rows follow one another in one long
row, so linear layers see no padding; positions start again at each row and attention is kept
inside a row by `training.segments` and `training.causal_blocks`. What all rows of a pack begin
with, such as a system message or an instruction, can stand in front of them once.

Both round sizes up, because the matrix library prepares, and keeps, one program for every new
shape. Torch is loaded by the first batch: answers are read and told without it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Tokens = NDArray[np.int32]
PACK_MULTIPLE = 32  # tokens
_LEAST_MULTIPLE = 8  # tokens, of a padded row


def padded_length(length: int) -> int:
    """Return how many tokens a row of `length` becomes: of few sizes, at most an eighth more.

    Up to 7 tokens more where a row is shorter than 64. The greatest lengths of models that have a
    table of positions are among these sizes: 128, 256, 512, 1,024.
    """
    multiple = max(_LEAST_MULTIPLE, min(PACK_MULTIPLE, 1 << max(0, length.bit_length() - 4)))
    return -(-length // multiple) * multiple


def tensors(**arrays: NDArray[Any]) -> dict[str, "Tensor"]:
    """Return arrays as tensors that share their memory, by the same names."""
    import torch

    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def padded(pieces: Sequence[Tokens], *, pad_id: int, left: bool = False) -> dict[str, "Tensor"]:
    """Return input_ids and attention_mask, shape (rows, `padded_length` of the longest).

    Args:
        pieces: the tokens of each row.
        pad_id: fills up shorter rows.
        left: put the filling before the row, as generation needs it.
    """
    width = padded_length(max(len(piece) for piece in pieces))
    ids = np.full((len(pieces), width), pad_id, np.int64)
    mask = np.zeros((len(pieces), width), np.int64)
    for at, piece in enumerate(pieces):
        place = slice(width - len(piece), None) if left else slice(len(piece))
        ids[at, place] = piece
        mask[at, place] = 1
    return tensors(input_ids=ids, attention_mask=mask)


def packed(pieces: Sequence[Tokens], *, pad_id: int, prefix: int = 0) -> dict[str, "Tensor"]:
    """Return input_ids and position_ids, shape (1, total), lengths, shape (rows,), and prefix.

    `total` is a multiple of 32; what is left after the last row is padding that belongs to no
    row. Positions start at 0 in each row, or after the prefix where there is one.

    Args:
        pieces: the tokens of each row.
        pad_id: fills up the pack.
        prefix: tokens that all rows begin with; they come once, before the rows, and are not
            counted in `lengths`.
    """
    own = [piece[prefix:] for piece in pieces]
    lengths = np.array([len(piece) for piece in own], np.int64)
    filled = prefix + int(lengths.sum())
    rest = -filled % PACK_MULTIPLE
    ids = np.full(filled + rest, pad_id, np.int64)
    np.concatenate([pieces[0][:prefix], *own], out=ids[:filled], casting="same_kind")
    within = np.arange(filled - prefix) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    positions = np.concatenate([np.arange(prefix), prefix + within, np.arange(rest)])
    return tensors(
        input_ids=ids[None],
        position_ids=positions[None],
        lengths=lengths,
        prefix=np.array(prefix),
    )


def common_prefix(pieces: Sequence[Tokens]) -> int:
    """Return how many tokens all pieces begin with; 0 for a single one, which shares nothing."""
    if len(pieces) < 2:  # noqa: PLR2004  (two can share)
        return 0
    shortest = min(len(piece) for piece in pieces)
    heads = np.stack([piece[:shortest] for piece in pieces])
    differing = np.flatnonzero((heads != heads[0]).any(axis=0))
    return int(differing[0]) if len(differing) else shortest
