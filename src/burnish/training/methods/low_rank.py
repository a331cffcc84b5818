"""A frozen linear layer with a low-rank update beside it, as one step forwards and backwards.

Written out, the update is a chain of small operations, each of which reads or writes
activations as wide as the layer: scaling, adding, and the same again backwards. Here the update
is added by the matrix products themselves, and all that is kept for the backward pass is the
input and its projection.

A weight that is held in fewer bits is given as a function that makes it. It is made once on the
way forwards and once on the way back, and kept in between by nobody.

Source of the update: Hu et al. 2021, "LoRA", section 4.1. Called by `methods.lora`; tested
against the chain of small operations.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from burnish.training.dropout import only
from burnish.training.hardware import computing_dtype

Held = Callable[[torch.dtype], Tensor]  # precision to compute in → weight


def adapted(
    inputs: Tensor,
    weight: Tensor | Held,
    bias: Tensor | None,
    down: Tensor,
    up: Tensor,
    *,
    scale: float,
    keeps: Tensor | None = None,
) -> Tensor:
    """Return inputs · weightᵀ + bias + scale · (kept inputs) · downᵀ · upᵀ.

    Args:
        inputs: shape (…, in).
        weight: frozen, shape (out, in), or what makes it.
        bias: frozen, shape (out,), or None.
        down: shape (rank, in).
        up: shape (out, rank).
        scale: factor on the update, with what makes up for dropout.
        keeps: which of the inputs the update sees, as `dropout.Noise.keeps` tells it for their
            precision under autocast; None: all.

    Returns:
        Shape (…, out).
    """
    kind = computing_dtype(inputs)
    inputs, down, up = (each.to(kind) for each in (inputs, down, up))
    weight = weight.to(kind) if isinstance(weight, Tensor) else weight
    bias = None if bias is None else bias.to(kind)
    flat = inputs.reshape(-1, inputs.shape[-1])
    keeps = None if keeps is None else keeps.reshape(flat.shape)
    out: Tensor = _Adapted.apply(  # type: ignore[no-untyped-call]  # torch has no types
        flat, weight, bias, down, up, scale, keeps
    )
    return out.view(*inputs.shape[:-1], up.shape[0])


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor | Held,
        bias: Tensor | None,
        down: Tensor,
        up: Tensor,
        scale: float,
        keeps: Tensor | None,
    ) -> Tensor:
        low = (inputs if keeps is None else only(inputs, keeps)) @ down.T
        whole = weight if isinstance(weight, Tensor) else weight(inputs.dtype)
        ctx.scale, ctx.held = scale, None if whole is weight else weight
        ctx.save_for_backward(inputs, None if ctx.held else whole, down, up, low, keeps)
        out = torch.nn.functional.linear(inputs, whole, bias)
        return out.addmm_(low, up.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inputs, weight, down, up, low, keeps = ctx.saved_tensors
        from_above = gradients[0]
        to_low = (from_above @ up).mul_(ctx.scale)
        to_up = (from_above.T @ low).mul_(ctx.scale)
        to_down = to_low.T @ (inputs if keeps is None else only(inputs, keeps))
        to_inputs = None
        if ctx.needs_input_grad[0]:
            to_inputs = to_low @ down
            if keeps is not None:
                to_inputs.view(keeps.dtype).bitwise_and_(keeps)
            to_inputs.addmm_(from_above, ctx.held(from_above.dtype) if ctx.held else weight)
        return to_inputs, None, None, to_down, to_up, None, None
