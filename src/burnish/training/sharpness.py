"""Sharpness-aware minimisation: the gradient is taken where the loss is worst nearby.

With few rows a model can fit its training rows in narrow valleys, and rows it has not seen lie
beside them. A step that takes the gradient a little uphill leaves narrow valleys for wide ones, at
the price of passing its rows twice. Source: Foret et al. 2021, "Sharpness-Aware Minimization for
Efficiently Improving Generalization", equation 2; for language models Bahri et al. 2022.

Called by `training.module`.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

_SMALLEST_NORM = 1e-12  # where nothing pulls, nothing moves


@contextmanager
def moved_uphill(weights: Sequence[torch.nn.Parameter], radius: float) -> Iterator[None]:
    """Move weights along their gradients inside the block, and back to the last bit after it.

    The gradients that pointed the way are cleared, so that what is gathered in the block is the
    gradient there alone.

    Args:
        weights: those that are trained; one without a gradient stays where it is.
        radius: Euclidean length of the move, over all weights together, in their unit.
    """
    moved = [weight for weight in weights if weight.grad is not None]
    gradients = [weight.grad for weight in moved if weight.grad is not None]
    kept = [weight.detach().clone() for weight in moved]
    with torch.no_grad():
        norm = torch.nn.utils.get_total_norm(gradients)
        factor = radius / (norm + _SMALLEST_NORM)
        for weight, gradient in zip(moved, gradients, strict=True):
            weight.add_(gradient * factor)
            weight.grad = None
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(moved, kept, strict=True):
                weight.copy_(value)
