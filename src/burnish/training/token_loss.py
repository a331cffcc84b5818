"""Cross-entropy of tokens, and how many others come before them, without holding all logits.

A vocabulary of 50,000 makes logits the largest thing in a training step. Here hidden states are
turned into logits a chunk at a time; what the loss needs of a chunk, and its gradient to the
hidden states, is kept, and the logits are forgotten. Only positions with something to learn come
here at all.

Called by `training.generators` and `training.masked`. Tested against PyTorch's own cross-entropy.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from burnish.evaluation.likelihoods import TOPS
from burnish.training.hardware import computing_dtype

CHUNK = 256  # positions at a time: 50 MB of logits at a vocabulary of 50,000


class Scored(NamedTuple):
    """What became of n positions where a token is foretold."""

    losses: Tensor  # shape (n,), cross-entropy in nats, float32
    # Shape (n, 2), whether the right token is the first, or among the first five; None where a
    # model learns, which has no use for it.
    hits: Tensor | None


def scored(
    hidden: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, *, chunk: int = CHUNK
) -> Scored:
    """Return the loss of each position; in evaluation also whether it is hit, in the same pass.

    Takes what `token_losses` does. It is evaluation where no gradients are recorded.
    """
    if torch.is_grad_enabled():
        return Scored(token_losses(hidden, weight, bias, targets, chunk=chunk), None)
    hidden, weight, bias = _in_one_precision(hidden, weight, bias)
    losses = hidden.new_empty(len(hidden), dtype=torch.float32)
    hits = hidden.new_empty(len(hidden), len(TOPS), dtype=torch.float32)
    for start in range(0, len(hidden), chunk):
        part = slice(start, start + chunk)
        logits = F.linear(hidden[part], weight, bias).float()
        losses[part] = F.cross_entropy(logits, targets[part], reduction="none")
        hits[part] = _hits(logits, targets[part])
    return Scored(losses, hits)


def scored_logits(logits: Tensor, targets: Tensor) -> Scored:
    """Return what `scored` does, of logits that are at hand, shape (n, vocabulary)."""
    logits = logits.float()
    losses = F.cross_entropy(logits, targets, reduction="none")
    return Scored(losses, None if torch.is_grad_enabled() else _hits(logits, targets))


def _hits(logits: Tensor, targets: Tensor) -> Tensor:
    """Return whether each right token is among the first 1, and 5, shape (n, 2), float32.

    Of tokens that are equally likely the lower number comes first, as in `argmax`. What is not a
    number is no hit.
    """
    # With one place more than is asked for, a tie that matters is seen in what comes first.
    places = min(max(TOPS.values()) + 1, logits.shape[1])
    right, top = logits.gather(1, targets[:, None]), logits.topk(places, dim=1).values
    before = (~(top <= right)).sum(dim=1)
    tied = ((top == right).sum(dim=1) > 1).nonzero()[:, 0]
    if len(tied):  # rare in fp32; bf16 makes many logits equal
        before[tied] = _before(logits[tied], right[tied], targets[tied])
    return (before[:, None] < torch.tensor([*TOPS.values()], device=logits.device)).float()


def _before(logits: Tensor, right: Tensor, targets: Tensor) -> Tensor:
    """Return how many tokens come before the right one, shape (n,); looks at all of them."""
    numbers = torch.arange(logits.shape[1], device=logits.device)
    behind = (logits < right) | ((logits == right) & (numbers > targets[:, None]))
    return logits.shape[1] - 1 - behind.sum(dim=1)


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
    hidden, weight, bias = _in_one_precision(hidden, weight, bias)
    losses: Tensor = _TokenLosses.apply(  # type: ignore[no-untyped-call]  # torch has no types
        hidden, weight, bias, targets, chunk
    )
    return losses


def _in_one_precision(
    hidden: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    kind = computing_dtype(hidden)
    return hidden.to(kind), weight.to(kind), None if bias is None else bias.to(kind)


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
