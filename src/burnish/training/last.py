"""The model as it was at the end of training, beside the epoch that a run keeps.

A finished run's checkpoint `last` holds all that it takes to go on, so going on from it with no
step left is how the model of that moment is had: its average, its own thresholds and its own
scaling are made by the code that makes those of the epoch kept.
"""

from pathlib import Path

from burnish.errors import CheckpointError
from burnish.recipe.recipe import Recipe
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import MemoryTracker
from burnish.training.checkpoint import LAST, has_checkpoint
from burnish.training.fit import FitResult, fit
from burnish.training.hardware import Hardware
from burnish.training.sources import ModelSource


def last_of(
    recipe: Recipe,
    task: Task,
    source: ModelSource,
    train: Encoded,
    choose: Encoded | None,
    *,
    hardware: Hardware,
    checkpoints: Path,
) -> FitResult:
    """Return the last epoch of a finished training; the arguments are those of `fit`.

    Raises:
        CheckpointError: BN502, the checkpoint is not there, damaged, or of another run.
    """
    if not has_checkpoint(checkpoints, LAST):  # with none, `fit` would begin anew
        raise CheckpointError(
            "the state at the end of training was not kept",
            where=str(checkpoints / f"{LAST}.json"),
            fix="set `evaluation.last: false`, or start a new run with `burnish run`",
        )
    as_last = recipe.training.model_copy(update={"keep": "last"})
    return fit(
        recipe.model_copy(update={"training": as_last}),
        task,
        source,
        train,
        choose,
        hardware=hardware,
        tracker=MemoryTracker(),
        checkpoints=checkpoints,
        resume=True,
    )
