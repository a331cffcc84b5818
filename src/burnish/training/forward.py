"""One forward pass for each family of models: a batch of the task's → raw outputs a row.

Called by `training.module` while learning and by `training.predict` when judging, so both see
the same numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from burnish.errors import ModelTaskError
from burnish.tasks.base import Batch, Task
from burnish.training import generators, masked, packing


@dataclass(frozen=True, slots=True)
class Pass:
    """How a family of models is run."""

    outputs: Callable[[Any, Batch], Tensor]  # model, batch → (rows, width)
    packs: Callable[[Any], bool]  # whether rows of this model can be joined without padding
    caches: bool = False  # whether it can go on from kept outputs of frozen layers


_PASSES = {
    "sequence-classification": Pass(
        packing.logits, lambda model: packing.anatomy(model) is not None, caches=True
    ),
    "causal-lm": Pass(generators.decoder_losses, generators.packs_decoder),
    "seq2seq-lm": Pass(generators.pair_losses, lambda _: False),
    "masked-lm": Pass(masked.losses, masked.packs),
}


def outputs(model: Any, batch: Batch, task: Task) -> Tensor:
    """Return the raw outputs of a batch, shape (rows, width of the task)."""
    return _PASSES[task.family].outputs(model, batch)


def caches(task: Task) -> bool:
    """Return whether outputs of frozen layers may be kept for later epochs.

    Not where each epoch hides other words, or a family cannot start in the middle.
    """
    return _PASSES[task.family].caches


def packs(model: Any, task: Task, wish: str, *, device: str = "cpu") -> bool:
    """Return whether rows are joined, given recipe key `training.packing`.

    On a GPU `auto` pads: there a launch for each run of rows costs more than padding does.

    Raises:
        ModelTaskError: BN304, `on` for an architecture that cannot.
    """
    able = _PASSES[task.family].packs(model)
    if wish == "on" and not able:
        raise ModelTaskError(
            f"rows cannot be packed for {packing.plain(model).config.model_type!r}",
            where="recipe key `training.packing`",
            fix="set `training.packing: auto`",
        )
    return able and (wish == "on" or (wish == "auto" and device == "cpu"))
