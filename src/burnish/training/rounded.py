"""Weights in fewer bits, for a model that only answers: less memory to read for each token.

In bf16 the weights of matrix products are held as autocast would round them for each product:
the same sums, without rounding and laying them out anew each time. In int8 weights have one scale
a column of the product, and inputs one scale a row, so that no row's answer depends on its company;
the sums are exact integers. Everything else stays as it is: embeddings, norms, attention.

Called by `serving.weights`. The tests compare with autocast and with plain products.
"""

from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from burnish.errors import HardwareError
from burnish.training.processor import sums_bytes

_MOST = 127  # of a signed byte
_LEAST = 1e-12  # largest of a row of zeros


class Int8Linear(nn.Module):
    """A linear layer of integers: inputs (..., in_features) to (..., out_features), fp32."""

    scale: Tensor

    def __init__(self, layer: nn.Linear | Conv1D) -> None:
        super().__init__()
        exact = layer.weight.detach().float()
        if isinstance(layer, Conv1D):  # GPT-2's: a linear layer whose weight lies on its side
            exact = exact.t().contiguous()
        self.out_features: int = exact.shape[0]
        self.in_features: int = exact.shape[1]
        scale = exact.abs().amax(dim=1).clamp_(min=_LEAST).div_(_MOST)
        rounded = (exact / scale[:, None]).round_().to(torch.int8)
        self.weight = nn.Parameter(rounded, requires_grad=False)
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the product; each row of inputs is rounded by its own largest value."""
        rows = inputs.reshape(-1, self.in_features).float()
        size = rows.abs().amax(dim=1, keepdim=True).clamp_(min=_LEAST).div_(_MOST)
        sums = torch._int_mm((rows / size).round_().to(torch.int8), self.weight.t())
        # In fp32 first: a product of integers with fractions has no fast kernel.
        found = sums.float().mul_(size).mul_(self.scale)
        if self.bias is not None:
            found += self.bias
        return found.view(*inputs.shape[:-1], self.out_features)


class PackedLinear(nn.Module):
    """A linear layer in bf16 whose weight lies as the processor reads it; on the processor only.

    Autocast, and a plain layer in bf16, lay the weight out anew for each product.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        bias = None if layer.bias is None else layer.bias.detach().to(torch.bfloat16)
        self.weight = torch.ops.mkldnn._reorder_linear_weight(_in_bf16(layer.weight))
        self.register_buffer("bias", bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the product in bf16, as autocast does."""
        given = inputs.to(torch.bfloat16)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(
            given, self.weight, self.bias, "none", [], ""
        )
        return found


def hold_bf16(model: nn.Module) -> None:
    """Hold the weights of linear layers in bf16; with autocast on, the model answers as before."""
    for name, layer in list(model.named_modules()):
        if type(layer) is nn.Linear and _packs(layer):
            model.set_submodule(name, PackedLinear(layer))
        elif _is_linear(layer):
            # A parameter of its own: what is tied to it, such as the embeddings, is not rounded.
            layer.weight = nn.Parameter(_in_bf16(layer.weight), requires_grad=False)


def _packs(layer: nn.Linear) -> bool:
    return layer.weight.device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _in_bf16(weight: Tensor) -> Tensor:
    return weight.detach().to(torch.bfloat16)


def hold_int8(model: Any) -> None:
    """Replace the linear layers of a model on the processor by ones of 8-bit integers.

    Args:
        model: without adapters, whose layers are read in the precision of their weights.

    Raises:
        HardwareError: BN404, the processor has no instructions for such sums: it would add pairs
            of products in 16 bits, which overflow.
    """
    if not sums_bytes():
        raise HardwareError(
            "the processor has no instructions for sums of 8-bit products",
            where="option --precision int8",
            fix="serve the model with `--precision fp32`",
        )
    for name, layer in list(model.named_modules()):
        if _is_linear(layer):
            model.set_submodule(name, Int8Linear(layer))


def _is_linear(layer: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether a layer is one of these very kinds: others, of 4 bits, hold their weights already."""
    return type(layer) in (nn.Linear, Conv1D)
