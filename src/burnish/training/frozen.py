"""Frozen weights in the precision of a run's products, while the adapters beside them train.

Autocast rounds a frozen weight anew in every pass and keeps the result until the way back; the
output layer, a third of a small model, it rounds twice. Held rounded, the products are the same to
the last bit, nothing is rounded again, and the weights take half of the memory. When the training
is over the model is opened once more, as it was at the start, for the weights in fp32.

Called by `training.fit`; only for methods that save none of the weights that do not move.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from burnish.errors import ModelFormatError
from burnish.training.memory import give_back_memory

Reopen = Callable[[], Any]  # returns the model without adapters, as it was opened at the start


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundedWeights:
    """Layers whose frozen weights are held rounded."""

    layers: Mapping[str, nn.Linear]  # by their names in the model without adapters
    shared: Mapping[str, Any]  # weights in fp32 that another layer holds as well
    reopen: Reopen

    @classmethod
    def hold(cls, layers: Mapping[str, nn.Linear], model: Any, *, reopen: Reopen) -> Self:
        """Round the weights of frozen layers of a model to bf16, in place.

        Args:
            layers: by their names in the model without adapters.
            model: that they are of. What shares a weight with one of them, such as the table of
                words, keeps it as it is.
            reopen: used by `undo`.
        """
        holders = Counter(id(own) for part in model.modules() for own in part._parameters.values())
        shared = {
            name: layer.weight for name, layer in layers.items() if holders[id(layer.weight)] > 1
        }
        for layer in layers.values():
            _set(layer, layer.weight.detach().to(torch.bfloat16))
        _leave_file(model)
        return cls(layers=layers, shared=shared, reopen=reopen)

    def undo(self) -> None:
        """Put the weights back as they were.

        Raises:
            ModelFormatError: BN303, the model's files are others than at the start.
        """
        for name, weight in self.shared.items():
            self.layers[name].weight = weight
        alone = {name: one for name, one in self.layers.items() if name not in self.shared}
        if not alone:
            return
        give_back_memory()
        opened = self.reopen()
        for name, layer in alone.items():
            exact = opened.get_submodule(name).weight.detach().to(layer.weight.device)
            if not torch.equal(exact.to(torch.bfloat16), layer.weight):
                raise ModelFormatError(
                    f"the weights of {name} are others than when the training began",
                    where=str(opened.name_or_path),
                    fix="leave the model's files alone while it is trained, and run again",
                )
            _set(layer, exact)


def _set(layer: nn.Linear, weight: torch.Tensor) -> None:
    layer.weight = nn.Parameter(weight, requires_grad=False)


def _leave_file(model: Any) -> None:
    """Copy what is still in fp32: while one weight lies in the opened file, all of it stays."""
    for weight in model.parameters():
        if weight.device.type == "cpu" and weight.dtype == torch.float32:
            weight.data = weight.data.clone()
    give_back_memory()
