"""The training rows as optimizer steps: each one a few forward passes of near equal cost.

A Lightning batch here is a whole optimizer step. Where a run goes on after a stop, the steps
already done in the epoch are left out; the rest are the same as they would have been.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import lightning as L  # noqa: N812  (the name its own documentation uses)
import numpy as np
import torch
from numpy.typing import NDArray

from burnish.recipe.training import Training
from burnish.tasks.base import Batch, Task
from burnish.tasks.encoded import Encoded
from burnish.training.batching import epoch_rows, micro_batches
from burnish.training.state import Plan, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The rows of one optimizer step, cut into forward passes."""

    rows: NDArray[np.int64]  # shape (rows,), in the order of the passes
    passes: list[Batch]
    tokens: int  # without padding
    weight: float  # what the summed loss is divided by


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """How rows are fed: what `training.predict` and the steps have in common."""

    packed: bool
    pad_id: int
    tokens_per_batch: int


class StepData(L.LightningDataModule):  # type: ignore[misc]  # Lightning has no types
    """Gives Lightning the steps of the epoch at hand."""

    def __init__(
        self,
        encoded: Encoded,
        task: Task,
        training: Training,
        *,
        feed: Feed,
        plan: Plan,
        state: RunState,
    ) -> None:
        super().__init__()
        self._encoded, self._task, self._training = encoded, task, training
        self._feed, self._plan, self._state = feed, plan, state
        self._lengths = encoded.lengths

    def train_dataloader(self) -> "StepData":
        """Return itself: each pass over it is one epoch, or what is left of it."""
        return self

    def __iter__(self) -> Iterator[Step]:
        """Yield the steps of the current epoch that are not done yet."""
        epoch, done = self._state.epoch, self._state.step_in_epoch
        order = epoch_rows(
            self._encoded.targets,
            ratio=self._training.imbalance.majority_ratio,
            seed=self._training.seed,
            epoch=epoch,
        )
        encoded = self._task.drawn(self._encoded, seed=self._training.seed, epoch=epoch)
        size = self._training.batch_size
        last = min(
            self._plan.steps_per_epoch, self._plan.steps - epoch * self._plan.steps_per_epoch
        )
        for at in range(done, last):
            yield self._step(encoded, order[at * size : (at + 1) * size])

    def _step(self, encoded: Encoded, rows: NDArray[np.int64]) -> Step:
        cut = micro_batches(
            self._lengths,
            rows.tolist(),
            budget=self._feed.tokens_per_batch,
            packed=self._feed.packed,
        )
        return Step(
            rows=np.concatenate([np.array(part, np.int64) for part in cut]),
            passes=[self._batch(encoded, part) for part in cut],
            tokens=int(self._lengths[rows].sum()),
            weight=self._task.weight(encoded, rows.tolist()),
        )

    def _batch(self, encoded: Encoded, rows: list[int]) -> Batch:
        feed = self._feed
        batch = self._task.collate(encoded, rows, packed=feed.packed, pad_id=feed.pad_id)
        return batch | {"rows": torch.tensor(rows)}
