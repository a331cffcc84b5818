"""Put a scaling of the logits into the output layer, where every reader of the model finds it.

Afterwards the model itself says the calibrated probabilities: in Burnish, in
`transformers.pipeline`, and in every export.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.evaluation.scaling import Scaling
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded


def calibrated(
    model: Any,
    task: Task,
    outputs: NDArray[np.float32],
    choose: Encoded,
    *,
    ask: Callable[[], NDArray[np.float32]],
) -> tuple[Task, NDArray[np.float32]]:
    """Put the scaling that a task asks for into its model; return both as they are then.

    Args:
        model: in eval mode; changed in place.
        task: tells the scaling.
        outputs: of the model on `choose`, shape (n, width).
        choose: labelled rows.
        ask: answers them anew: arithmetic on the outputs would differ from the model's own in
            the last digit.
    """
    scaling = task.scaling(outputs, choose)
    if scaling is None or not rescale(model, scaling, width=task.width, places=task.shifted):
        return task, outputs
    return task.scaled(), ask()


@torch.no_grad()
def rescale(model: Any, scaling: Scaling, *, width: int, places: tuple[int, ...]) -> bool:
    """Scale the logits of a classifier for good; tell whether that was possible.

    Args:
        model: a transformers classifier, or a PEFT one, whose own output layer is then scaled.
        scaling: what the logits are multiplied by, and what is added.
        width: how many logits a row has.
        places: to which of them the shift is added.
    """
    layer = _output_layer(model, width)
    bias: Tensor | None = getattr(layer, "bias", None)
    if layer is None or (bias is None and scaling.shift):
        return False
    layer.weight.mul_(scaling.slope)
    if bias is not None:
        bias.mul_(scaling.slope)
        bias[list(places)] += scaling.shift
    return True


def _output_layer(model: Any, width: int) -> nn.Linear | None:
    """Return the last linear layer with a row for each logit: heads end in it.

    PEFT keeps the head that is trained behind the one the model came with.
    """
    layers = [
        one for one in model.modules() if isinstance(one, nn.Linear) and one.out_features == width
    ]
    return layers[-1] if layers else None
