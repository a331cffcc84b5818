"""What training will take, from a few real steps of the real model on the real rows.

A formula over parameters and tokens would be wrong by the factor that matters: how fast this
machine is at these lengths. So a handful of steps is trained and thrown away.

Called by `burnish check`.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from burnish.recipe.recipe import Recipe
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import MemoryTracker
from burnish.training.batching import epoch_rows
from burnish.training.fit import fit
from burnish.training.hardware import Hardware
from burnish.training.sources import ModelSource

WARM_STEPS = 1  # the first is slow: memory is claimed, kernels are chosen
TRIAL_STEPS = 4  # at most; fewer where a step takes long
TRIAL_PASSES = 2  # in a step of the trial, at most
_TRIAL_MINUTES = 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Expected cost of the training, evaluation not included."""

    seconds: float
    tokens_per_second: float
    peak_memory_mb: float
    trainable_parameters: int
    total_parameters: int

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for `burnish check --json`."""
        return asdict(self)

    def words(self) -> tuple[str, ...]:
        """Return the same as sentences."""
        share = self.trainable_parameters / self.total_parameters
        return (
            f"trainable weights: {self.trainable_parameters:,} of {self.total_parameters:,} "
            f"({share:.2%})",
            f"expected training time: {_duration(self.seconds)} at "
            f"{self.tokens_per_second:,.0f} tokens/s, measured on a few steps",
            f"expected peak memory: {self.peak_memory_mb / 1000:.1f} GB",
        )


def estimate(
    recipe: Recipe,
    task: Task,
    source: ModelSource,
    encoded: Encoded,
    *,
    rows: int,
    hardware: Hardware,
) -> Estimate:
    """Return the expected cost of training on `rows` rows like those of `encoded`.

    Args:
        recipe: what will be trained.
        task: of the recipe.
        source: the model to start from.
        encoded: training rows, all of them or a sample.
        rows: how many there are in truth.
        hardware: how the machine will be used.
    """
    fitted = fit(
        _trial(recipe),
        task,
        source,
        _spread(encoded, _rows_a_step(recipe, encoded, hardware)),
        None,
        hardware=hardware,
        tracker=MemoryTracker(),
        checkpoints=None,
    )
    rate = _steady_rate(fitted.history, fitted.tokens_per_second)
    tokens = float(encoded.lengths.mean()) * _rows_an_epoch(recipe, encoded, rows)
    return Estimate(
        seconds=round(recipe.training.epochs * tokens / rate, 1),
        tokens_per_second=round(rate, 1),
        peak_memory_mb=round(fitted.peak_memory_mb, 1),
        trainable_parameters=fitted.trainable_parameters,
        total_parameters=fitted.total_parameters,
    )


def _rows_a_step(recipe: Recipe, encoded: Encoded, hardware: Hardware) -> int:
    """Return the rows of a trial's step: those of the recipe, or as many as fill a few passes.

    A step is a sum of passes, so a short one shows as well how fast they are.
    """
    filling = TRIAL_PASSES * hardware.tokens_per_batch / max(1.0, float(encoded.lengths.mean()))
    return max(1, min(recipe.training.batch_size, round(filling)))


def _trial(recipe: Recipe) -> Recipe:
    """Return the recipe cut down to a few steps on the same rows."""
    every_row = recipe.training.imbalance.model_copy(update={"majority_ratio": None})
    changes = {
        "epochs": float(WARM_STEPS + TRIAL_STEPS),
        "keep": "last",
        "early_stopping": None,
        "max_time": _TRIAL_MINUTES,
        "imbalance": every_row,
    }
    return recipe.model_copy(update={"training": recipe.training.model_copy(update=changes)})


def _steady_rate(history: list[dict[str, Any]], overall: float) -> float:
    """Return tokens/s without the warm-up step, where the history tells steps apart."""
    rates = [
        line["metrics"]["tokens_per_second"]
        for line in history
        if line["kind"] == "step" and "tokens_per_second" in line["metrics"]
    ]
    steady = rates[WARM_STEPS:]
    return float(np.mean(steady)) if steady else overall


def _rows_an_epoch(recipe: Recipe, encoded: Encoded, rows: int) -> float:
    """Return the rows of tokens that one epoch sees.

    `imbalance.majority_ratio` makes them fewer than the examples, texts read in pieces more.
    """
    ratio = recipe.training.imbalance.majority_ratio
    seen = len(epoch_rows(encoded.targets, ratio=ratio, seed=0, epoch=0))
    return rows * seen / encoded.examples


def _spread(encoded: Encoded, count: int) -> Encoded:
    """Return `count` rows evenly spread over the lengths, so that their mean is typical."""
    order = np.argsort(encoded.lengths, kind="stable")
    picked = np.sort(
        order[np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int)]
    )
    return encoded.take(picked.tolist())


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
