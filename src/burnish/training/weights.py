"""How many weights a model has and how much memory they hold, whatever form they are held in."""

from typing import Any

BASE_BITS = "base_bits"  # in burnish.json


def weight_count(model: Any) -> int:
    """Return the number of weights; those of a layer that holds fewer bits count whole."""
    own: int = sum(weight.numel() for weight in model.parameters())
    for part in model.modules():
        if hasattr(part, "unpacked"):
            own += part.in_features * part.out_features
    return own


def base_bits(model: Any) -> int | None:
    """Return in how many bits a packed weight of the model is held; None: it has none."""
    packed = (part.bits for part in model.modules() if hasattr(part, "unpacked"))
    return next(packed, None)


def weight_mb(model: Any) -> tuple[float, float]:
    """Return the MB that frozen weights hold, and the MB of those that are trained.

    Neither gradients nor the optimizer's state are counted.
    """
    weights = list(model.parameters())
    trained = sum(weight.nbytes for weight in weights if weight.requires_grad)
    frozen = sum(weight.nbytes for weight in weights if not weight.requires_grad)
    frozen += sum(kept.nbytes for kept in model.buffers())  # packed weights and their scales
    return frozen / 1e6, trained / 1e6
