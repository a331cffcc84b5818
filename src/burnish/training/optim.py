"""The optimizer: fused AdamW, its parameter groups, and the learning rate of each step.

Biases and normalisation weights are not decayed. Layers below the top may learn more slowly
(Howard & Ruder 2018, section 3.2), the new head faster. The rate is a pure function of the
step, so there is no schedule state to save.
"""

import math
from collections import defaultdict
from typing import Any

import torch

from burnish.errors import TrainingError
from burnish.recipe.training import Training
from burnish.training.packing import ANATOMIES, layers, plain

HEAD_PARTS = ("classifier", "score", "pre_classifier", "pooler")


def build_optimizer(model: Any, training: Training) -> torch.optim.AdamW:
    """Return AdamW over the weights that move; each group keeps its peak rate as `peak`.

    Raises:
        TrainingError: BN501, no weight moves.
    """
    depth = _depth(model)
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = defaultdict(list)
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            decay = training.weight_decay if weight.ndim > 1 else 0.0
            groups[_peak(name, depth, training), decay].append(weight)
    if not groups:
        raise TrainingError(
            "no weight of the model is trained",
            where="recipe section `method`",
            fix="freeze fewer layers",
        )
    return torch.optim.AdamW(
        [
            {"params": weights, "lr": peak, "peak": peak, "weight_decay": decay}
            for (peak, decay), weights in groups.items()
        ],
        fused=True,
    )


def _depth(model: Any) -> dict[str, int]:
    """Return steps below the top for each part of the body: 0 the top layer, n embeddings."""
    base = plain(model)
    if base.config.model_type not in ANATOMIES:
        return {}
    stack = layers(base)
    path = ANATOMIES[base.config.model_type].layers
    found = {f".{path}.{at}.": len(stack) - 1 - at for at in range(len(stack))}
    return found | {".embeddings": len(stack)}


def _peak(name: str, depth: dict[str, int], training: Training) -> float:
    body = [below for part, below in depth.items() if part in f".{name}"]
    if body:
        return training.learning_rate * training.layer_decay ** body[0]
    if any(part in name for part in HEAD_PARTS):
        return training.head_learning_rate or training.learning_rate
    return training.learning_rate


def rate_factor(step: int, steps: int, training: Training) -> float:
    """Return the share of the peak rate at a step, in [0, 1].

    Args:
        step: 0 for the first.
        steps: planned in all.
        training: tells the share of warm-up steps, and how the rate falls after them.
    """
    warm = round(training.warmup * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    gone = (step - warm) / max(1, steps - warm)
    if training.schedule == "constant":
        return 1.0
    if training.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, gone)))
    return max(0.0, 1 - gone)


class Averaging:
    """An exponential average of the weights that move, kept beside them.

    The decay grows from 1/10 to its full value over the first steps, so that the average
    forgets the untrained weights. Source: Polyak & Juditsky 1992; the ramp is TensorFlow's.
    """

    def __init__(self, weights: list[torch.nn.Parameter], decay: float) -> None:
        self._weights = weights
        self._decay = decay
        self.values = [weight.detach().clone() for weight in weights]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights after optimizer step number `step`, 1 first."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, [weight.data for weight in self._weights], 1 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the weights and their average; done twice, nothing has changed."""
        for weight, value in zip(self._weights, self.values, strict=True):
            kept = weight.detach().clone()
            weight.copy_(value)
            value.copy_(kept)
