"""Cross-entropy of tokens without ever holding the logits of all of them.

A vocabulary of 50,000 makes logits the largest thing in a training step. Here hidden states are
turned into logits a chunk at a time; what the loss needs of a chunk, and its gradient to the
hidden states, is kept, and the logits are forgotten. Only positions with something to learn come
here at all.

Called by `training.generators`. Tested against PyTorch's own cross-entropy.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

CHUNK = 256  # positions at a time: 50 MB of logits at a vocabulary of 50,000


def token_losses(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *, chunk: int = CHUNK
) -> Tensor:
    """Return the cross-entropy of each position in nats, shape (n,), float32.

    Args:
        hidden: shape (n, size), what enters the output layer.
        weight: of the output layer, shape (vocabulary, size).
        bias: of the output layer, shape (vocabulary,), or None.
        targets: token ids, shape (n,).
        chunk: positions whose logits are held at a time.
    """
    device, kind = hidden.device.type, hidden.dtype
    if torch.is_autocast_enabled(device):
        kind = torch.get_autocast_dtype(device)
    hidden, weight = hidden.to(kind), weight.to(kind)
    bias = None if bias is None else bias.to(kind)
    losses: Tensor = _TokenLosses.apply(  # type: ignore[no-untyped-call]  # torch has no types
        hidden, weight, bias, targets, chunk
    )
    return losses


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, chunk: int
    ) -> Tensor:
        losses = hidden.new_empty(len(hidden), dtype=torch.float32)
        # The gradient of a position's loss is linear in what comes from above, so it is taken now.
        inner = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, len(hidden), chunk):
            part = slice(start, start + chunk)
            log_p = F.linear(hidden[part], weight, bias).float().log_softmax(dim=-1)
            losses[part] = -log_p.gather(1, targets[part, None])[:, 0]
            if inner is not None:
                inner[part] = _slope(log_p, targets[part]).to(weight.dtype) @ weight
        ctx.save_for_backward(hidden, weight, bias, targets, inner)
        ctx.chunk = chunk
        return losses

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        hidden, weight, bias, targets, inner = ctx.saved_tensors
        from_above = gradients[0]
        to_hidden = None if inner is None else inner * from_above[:, None].to(inner.dtype)
        to_weight, to_bias = _head_gradients(ctx, hidden, weight, bias, targets, from_above)
        return to_hidden, to_weight, to_bias, None, None


def _slope(log_p: Tensor, targets: Tensor) -> Tensor:
    """Return softmax − one-hot, the gradient to the logits; overwrites `log_p`."""
    slope = log_p.exp_()
    slope[torch.arange(len(targets), device=targets.device), targets] -= 1
    return slope


def _head_gradients(
    ctx: Any,
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    from_above: Tensor,
) -> tuple[Tensor | None, Tensor | None]:
    """Return the gradients of an output layer that moves, its logits computed once more."""
    if not any(ctx.needs_input_grad[1:3]):
        return None, None
    to_weight = torch.zeros_like(weight)
    to_bias = None if bias is None else torch.zeros_like(bias)
    for start in range(0, len(hidden), ctx.chunk):
        part = slice(start, start + ctx.chunk)
        log_p = F.linear(hidden[part], weight, bias).float().log_softmax(dim=-1)
        slope = (_slope(log_p, targets[part]) * from_above[part, None]).to(weight.dtype)
        to_weight.addmm_(slope.T, hidden[part])
        if to_bias is not None:
            to_bias += slope.sum(dim=0)
    return to_weight, to_bias
