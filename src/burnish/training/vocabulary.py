"""Train only the word embeddings of tokens that occur in the training rows.

The embedding table is half of a small model, and most of its rows never occur. Carried
through gradient, clipping, optimizer and averaging they cost a tenth of each step and change
by nothing but weight decay. Here the rows that occur are a small table of their own while the
model is trained; the others stay exactly as they were.

In eval mode the whole table is used, as texts to be answered hold other tokens too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.training.packing import plain


class UsedEmbedding(nn.Module):
    """Stands in for `nn.Embedding` while only the rows of `used` tokens are trained."""

    place: Tensor  # shape (vocabulary,), row of each token; 0 for those without
    used: Tensor  # shape (rows,), token ids

    def __init__(self, table: nn.Embedding, used: Tensor) -> None:
        super().__init__()
        self.table = table
        self.rows = nn.Parameter(table.weight.detach()[used].clone())
        place = torch.zeros(table.num_embeddings, dtype=torch.long, device=used.device)
        place[used] = torch.arange(len(used), device=used.device)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("used", used, persistent=False)
        table.requires_grad_(False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return embeddings, (*ids.shape, size); in training every id must be a used one."""
        if self.training:
            return F.embedding(self.place[ids], self.rows)
        return F.embedding(ids, self.table.weight)

    def train(self, mode: bool = True) -> "UsedEmbedding":
        """Switch modes; on leaving training the trained rows go back into the table."""
        if not mode:
            self.write_back()
        return super().train(mode)

    @torch.no_grad()
    def write_back(self) -> None:
        """Put the trained rows into the whole table."""
        self.table.weight[self.used] = self.rows.detach()


def train_used_rows(model: Any, tokens: NDArray[np.int32], *, pad_id: int) -> None:
    """Let only the embeddings of tokens that occur in `tokens` be trained, where they are at all.

    Args:
        model: changed in place; `use_whole_table` undoes it.
        tokens: all training rows, shape (total,).
        pad_id: counted as occurring, since batches are filled up with it.
    """
    base = plain(model)
    if base.get_output_embeddings() is not None:
        return  # it writes: the table is often its output layer too, where every token counts
    table = base.get_input_embeddings()
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        return
    used = torch.from_numpy(np.union1d(tokens, [pad_id]).astype(np.int64))
    base.set_input_embeddings(UsedEmbedding(table, used.to(table.weight.device)))


def use_whole_table(model: Any) -> None:
    """Put the ordinary embedding layer back, trained rows in it."""
    base = plain(model)
    used = _embedding(base)
    if isinstance(used, UsedEmbedding):
        used.write_back()
        used.table.requires_grad_(True)
        base.set_input_embeddings(used.table)


@contextmanager
def whole_table(model: Any) -> Iterator[None]:
    """Have the ordinary embedding layer in place inside the block, as for saving."""
    base = plain(model)
    used = _embedding(base)
    use_whole_table(model)
    try:
        yield
    finally:
        if isinstance(used, UsedEmbedding):
            used.table.requires_grad_(False)
            base.set_input_embeddings(used)


def _embedding(base: Any) -> Any:
    """Return the embedding layer; None for a model of two halves with one each."""
    return None if base.config.is_encoder_decoder else base.get_input_embeddings()
