"""What early stopping may wait for; told before any work, and by whoever fits."""

from difflib import get_close_matches

from burnish.errors import RecipeError
from burnish.recipe.training import Training
from burnish.tasks.base import Task


def choosing_metric(training: Training, task: Task) -> str:
    """Return the metric of the rows that choose by which the best epoch is found."""
    return training.early_stopping.metric if training.early_stopping else task.selects


def check_stopping(training: Training, task: Task) -> None:
    """Raise RecipeError (BN101) where early stopping waits for what the task does not measure."""
    known = task.metric_names()
    metric = training.early_stopping.metric if training.early_stopping else "loss"
    if metric not in known:
        near = get_close_matches(metric, known, n=1)
        raise RecipeError(
            f"{metric!r} is not a metric of this task",
            where="recipe key `training.early_stopping.metric`",
            fix=f"use {near[0]!r}" if near else f"use one of {', '.join(known)}",
        )
