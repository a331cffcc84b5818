"""Frozen tables of words in bf16, beside a body that is held in fewer bits.

They are half of a small model, and most models are published in bf16.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


class HalfEmbedding(nn.Embedding):
    """A frozen table of words held in bf16; what comes out is fp32."""

    def forward(self, ids: Tensor) -> Tensor:
        """Return embeddings, shape (*ids.shape, size)."""
        return super().forward(ids).float()

    def written_out(self) -> nn.Embedding:
        """Return the same layer with its table in fp32."""
        layer: nn.Embedding = _turned(self, nn.Embedding, torch.float32)
        return layer


class HalfLinear(nn.Linear):
    """A frozen layer over the vocabulary held in bf16; it computes in its input's precision."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, shape (…, vocabulary)."""
        if not inputs.numel():  # asked in training, where the loss is computed apart
            return inputs.new_empty(*inputs.shape[:-1], self.out_features)
        if torch.is_autocast_enabled(inputs.device.type):
            return super().forward(inputs)
        return F.linear(inputs, self.weight.to(inputs.dtype), self.bias)

    def written_out(self) -> nn.Linear:
        """Return the same layer with its weight in fp32."""
        layer: nn.Linear = _turned(self, nn.Linear, torch.float32)
        return layer


_HALVES: dict[type, type] = {nn.Embedding: HalfEmbedding, nn.Linear: HalfLinear}


def halve_tables(model: Any) -> None:
    """Hold tables of words in bf16, those that are shared as one; special kinds stay."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    for table in [end.weight for end in ends if type(end) in _HALVES]:
        holders = [part for part in model.modules() if part._parameters.get("weight") is table]
        if all(type(part) in _HALVES for part in holders):
            for part in holders:
                _turned(part, _HALVES[type(part)], torch.bfloat16)


def _turned(layer: Any, kind: type, dtype: torch.dtype) -> Any:
    """Return the layer itself as one of another kind, its weight in another precision."""
    layer.weight.data = layer.weight.data.to(dtype)
    layer.__class__ = kind
    return layer
