"""Methods: which weights are trained. The loop never asks which method it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burnish.registry import Registry

if TYPE_CHECKING:
    from torch import nn


def _as_it_is(model: Any, _: int | None = None) -> Any:
    return model


def _none(_: Any) -> "Mapping[str, nn.Linear]":
    return {}


@dataclass(frozen=True, slots=True)
class TrainingMethod:
    """One way to choose the weights that move.

    `prepare(model, options)` marks or adds the weights to train and returns the model to
    train; `options` is the recipe's `method` section. `merge(model)` returns an ordinary
    transformers model with the same answers. `base(model, bits)` returns the untouched model as
    its adapters were trained over it, for saved ones to be put back; `bits` is what burnish.json
    tells of a frozen weight, None where it tells nothing. `still(model)` returns the layers, by
    their names in that base, whose weights neither move nor are ever saved.
    """

    prepare: Callable[[Any, Any], Any]
    merge: Callable[[Any], Any]
    base: Callable[[Any, int | None], Any] = _as_it_is
    still: "Callable[[Any], Mapping[str, nn.Linear]]" = _none


METHODS: Registry[TrainingMethod] = Registry(
    "method",
    {
        "full": "burnish.training.methods.full:METHOD",
        "lora": "burnish.training.methods.lora:METHOD",
        "qlora": "burnish.training.methods.qlora:METHOD",
    },
)
