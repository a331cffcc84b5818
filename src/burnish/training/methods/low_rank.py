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
    mask: Tensor | None = None,
) -> Tensor:
    """Return inputs · weightᵀ + bias + scale · (mask ∘ inputs) · downᵀ · upᵀ.

    Args:
        inputs: shape (…, in).
        weight: frozen, shape (out, in), or what makes it.
        bias: frozen, shape (out,), or None.
        down: shape (rank, in).
        up: shape (out, rank).
        scale: factor on the update.
        mask: factors of dropout on what the update sees, of the shape of `inputs`; None: none.

    Returns:
        Shape (…, out).
    """
    kind = computing_dtype(inputs)
    inputs, down, up = (each.to(kind) for each in (inputs, down, up))
    weight = weight.to(kind) if isinstance(weight, Tensor) else weight
    bias, mask = (None if each is None else each.to(kind) for each in (bias, mask))
    flat = inputs.reshape(-1, inputs.shape[-1])
    flat_mask = None if mask is None else mask.reshape(flat.shape)
    out: Tensor = _Adapted.apply(  # type: ignore[no-untyped-call]  # torch has no types
        flat, weight, bias, down, up, scale, flat_mask
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
        mask: Tensor | None,
    ) -> Tensor:
        seen = inputs if mask is None else inputs * mask
        low = seen @ down.T
        whole = weight if isinstance(weight, Tensor) else weight(inputs.dtype)
        ctx.scale, ctx.held = scale, None if whole is weight else weight
        ctx.save_for_backward(inputs, None if ctx.held else whole, down, up, low, mask)
        out = torch.nn.functional.linear(inputs, whole, bias)
        return out.addmm_(low, up.T, alpha=scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        inputs, weight, down, up, low, mask = ctx.saved_tensors
        from_above = gradients[0]
        to_low = (from_above @ up).mul_(ctx.scale)
        to_up = (from_above.T @ low).mul_(ctx.scale)
        to_down = to_low.T @ (inputs if mask is None else inputs * mask)
        to_inputs = None
        if ctx.needs_input_grad[0]:
            to_inputs = from_above @ (ctx.held(from_above.dtype) if ctx.held else weight)
            if mask is None:
                to_inputs.addmm_(to_low, down)
            else:
                to_inputs.addcmul_(to_low @ down, mask)
        return to_inputs, None, None, to_down, to_up, None, None
