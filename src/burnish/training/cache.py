"""Outputs of frozen layers, computed once a row and kept between epochs.

Layers that do not move, run without dropout, give a row the same output every time. The
upper layers then start from what is kept, up to a limit of memory; rows beyond it are
computed each time.
"""

from typing import Any

import psutil
import torch
from torch import Tensor

from burnish.tasks.base import Batch
from burnish.training.packing import lower_part
from burnish.training.segments import Segments

_SHARE_OF_MEMORY = 0.25  # of what is free when training starts


class HiddenCache:
    """What enters the lowest trained layer, by row."""

    def __init__(self, model: Any, *, upto: int, limit_bytes: int | None = None) -> None:
        self._model = model
        self.upto = upto
        free = int(psutil.virtual_memory().available * _SHARE_OF_MEMORY)
        self._room = free if limit_bytes is None else limit_bytes
        self._kept: dict[int, Tensor] = {}

    def hidden(self, batch: Batch, segments: Segments) -> Tensor:
        """Return what enters layer `upto` for a pack, shape (1, total, hidden)."""
        rows = batch["rows"].tolist()
        if all(row in self._kept for row in rows):
            parts = [self._kept[row] for row in rows]
            rest = parts[0].new_zeros(segments.rest, parts[0].shape[1])
            return torch.cat([*parts, rest])[None]
        with torch.no_grad():
            hidden = lower_part(self._model, batch, segments, upto=self.upto)
        self._keep(rows, hidden[0], batch["lengths"].tolist())
        return hidden

    def _keep(self, rows: list[int], hidden: Tensor, lengths: list[int]) -> None:
        start = 0
        for row, length in zip(rows, lengths, strict=True):
            part = hidden[start : start + length].clone()
            start += length
            size = part.numel() * part.element_size()
            if row not in self._kept and size <= self._room:
                self._room -= size
                self._kept[row] = part
