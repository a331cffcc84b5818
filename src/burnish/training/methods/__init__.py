"""Methods: which weights are trained. The loop never asks which method it is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from burnish.registry import Registry


def _as_it_is(model: Any) -> Any:
    return model


@dataclass(frozen=True, slots=True)
class TrainingMethod:
    """One way to choose the weights that move.

    `prepare(model, options)` marks or adds the weights to train and returns the model to
    train; `options` is the recipe's `method` section. `merge(model)` returns an ordinary
    transformers model with the same answers. `base(model)` returns the untouched model as its
    adapters were trained over it, for saved ones to be put back.
    """

    prepare: Callable[[Any, Any], Any]
    merge: Callable[[Any], Any]
    base: Callable[[Any], Any] = _as_it_is


METHODS: Registry[TrainingMethod] = Registry(
    "method",
    {
        "full": "burnish.training.methods.full:METHOD",
        "lora": "burnish.training.methods.lora:METHOD",
        "qlora": "burnish.training.methods.qlora:METHOD",
    },
)
