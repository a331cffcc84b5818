"""What a model said of the rows of an epoch while it learned them, kept over a stop.

A run that goes on in the middle of an epoch then tells of the whole epoch, as one that was left
alone does.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded


class Learned:
    """Outputs, rows and loss of each step of the present epoch."""

    def __init__(self) -> None:
        self._steps: list[tuple[Tensor, NDArray[np.int64], float]] = []

    def __len__(self) -> int:
        return len(self._steps)

    def add(self, outputs: Any, rows: NDArray[np.int64]) -> None:
        """Keep what `training_step` returned of a step with these rows."""
        self._steps.append((outputs["outputs"], rows, float(outputs["loss"])))

    def forget(self) -> None:
        """Begin another epoch."""
        self._steps = []

    def metrics(
        self, task: Task, train: Encoded, *, since: int = 0, ending: str = ""
    ) -> dict[str, float]:
        """Return the metrics of all rows from a step of the epoch on, by the task's thresholds.

        The loss is the mean of what the steps made smaller, with whatever the recipe adds to it.
        """
        outputs, rows, losses = zip(*self._steps[since:], strict=True)
        told = task.judge(torch.cat(outputs).numpy(), train.take(np.concatenate(rows).tolist()))
        told |= {"loss": float(np.mean(losses))}
        return {f"train/{name}{ending}": value for name, value in told.items()}

    def to_state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps; nothing between two epochs."""
        if not self._steps:
            return {}
        outputs, rows, losses = zip(*self._steps, strict=True)
        return {
            "outputs": torch.cat(outputs),
            "rows": torch.from_numpy(np.concatenate(rows)),
            "sizes": [len(one) for one in rows],
            "losses": list(losses),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up what `to_state` returned."""
        if state:
            outputs, rows = (torch.split(state[key], state["sizes"]) for key in ("outputs", "rows"))
            arrays = (one.numpy() for one in rows)
            self._steps = list(zip(outputs, arrays, state["losses"], strict=True))
