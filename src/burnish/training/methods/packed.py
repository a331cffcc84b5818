"""A frozen linear layer whose weight is held in fewer bits than it computes in.

The weight is written out in the precision of the run for one product and kept by nobody: once on
the way forwards, once on the way back, in training and for answers alike. Inputs are never
rounded, so gradients and answers are those of the weight that is held, and of no other.

Weights are packed on the processor whatever the device, and the same way each time, so a saved
adapter finds the base it was trained over. `four_bits` and `eight_bits` are the two forms.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from burnish.training.hardware import computing_dtype
from burnish.training.methods.low_rank import Held


class PackedLinear(nn.Linear, ABC):
    """A frozen linear layer; a form says what of the weight is kept, and how it is written out."""

    bits: ClassVar[int]  # of a weight

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)  # nn.Linear's own would make a weight
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.bias = layer.bias
        for name, part in self.pack(layer.weight.detach().float().cpu()).items():
            self.register_buffer(name, part.to(layer.weight.device))
        self.requires_grad_(False)

    @staticmethod
    @abstractmethod
    def pack(weight: Tensor) -> Mapping[str, Tensor]:
        """Return the buffers to keep of a weight in fp32 on the processor, shape (out, in)."""

    @abstractmethod
    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Return the weight, shape (out, in), made anew."""

    @classmethod
    def check_machine(cls, *, where: str) -> None:
        """Raise where this machine lacks what the form needs; most need nothing.

        Raises:
            MissingPackageError: BN401, without a package.
            HardwareError: BN404, the package can do nothing on this machine.
        """

    @property
    def weight(self) -> Tensor:  # type: ignore[override]  # a parameter in nn.Linear
        """The weight in fp32, for code that looks at it, such as T5's at its precision."""
        return self.unpacked(torch.float32)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what a linear layer with this weight does, shape (…, out)."""
        inputs = inputs.to(computing_dtype(inputs))
        bias = None if self.bias is None else self.bias.to(inputs.dtype)
        out: Tensor = _Product.apply(  # type: ignore[no-untyped-call]  # torch has no types
            inputs, self.unpacked, bias
        )
        return out

    def written_out(self) -> nn.Linear:
        """Return an ordinary layer with the same weight, in fp32."""
        layer = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        layer.weight = nn.Parameter(self.weight)
        layer.bias = self.bias
        return layer.requires_grad_(False)


class _Product(torch.autograd.Function):
    """A product with a frozen weight that nobody keeps for the way back."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Held, bias: Tensor | None) -> Tensor:
        ctx.held = weight
        return F.linear(inputs, weight(inputs.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] @ ctx.held(gradients[0].dtype), None, None
