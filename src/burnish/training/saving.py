"""When a run saves, what goes into a checkpoint, and how a run goes on from one."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
import torch

from burnish.errors import CheckpointError
from burnish.files import write_json
from burnish.tasks.base import Task
from burnish.training.callbacks import Judge, averaged
from burnish.training.checkpoint import (
    BEST,
    LAST,
    Checkpoint,
    has_checkpoint,
    load_checkpoint,
    moving_weights,
    restore_weights,
    save_checkpoint,
)
from burnish.training.modelfolder import save_model_folder
from burnish.training.models import load_tokenizer
from burnish.training.module import Parts
from burnish.training.recorder import Recorder
from burnish.training.sources import ModelSource
from burnish.training.state import RunState
from burnish.training.vocabulary import whole_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Saver:
    """Writes the checkpoints of one run."""

    parts: Parts
    source: ModelSource
    folder: Path
    name: str  # of the recipe
    method: str

    def last(self) -> None:
        """Save all that is needed to go on."""
        parts = self.parts
        state: dict[str, Any] = {
            "run": parts.state.to_json(),
            "plan": [parts.plan.steps, parts.plan.steps_per_epoch],
            "rows": list(parts.rows),
            "optimizer": parts.optimizer.state_dict(),
            "average": parts.average.values if parts.average else [],
            "learned": parts.learned.to_state(),
        }
        checkpoint = Checkpoint(
            step=parts.state.step, metrics={}, weights=moving_weights(parts.model), state=state
        )
        save_checkpoint(self.folder, LAST, checkpoint)

    def best(self, metrics: dict[str, float]) -> None:
        """Save the weights as they were judged."""
        with averaged(self.parts):
            weights = moving_weights(self.parts.model)
            checkpoint = Checkpoint(
                step=self.parts.state.step, metrics=metrics, weights=weights, state={}
            )
            save_checkpoint(self.folder, BEST, checkpoint)

    def epoch(self, epoch: int, metrics: dict[str, float], task: Task) -> None:
        """Save a model folder of the epoch, with its metrics, that predicts by itself."""
        folder = self.folder / f"epoch-{epoch:03d}"
        meta = {
            "name": self.name,
            "base_model": self.source.reference,
            "base_is_adapter": self.source.base is not None,
            "method": self.method,
        }
        tokenizer = load_tokenizer(self.source, task)
        with averaged(self.parts), whole_table(self.parts.model):
            save_model_folder(folder, self.parts.model, tokenizer, task, meta=meta)
        write_json(
            folder / "metrics.json", {"epoch": epoch, "step": self.parts.state.step} | metrics
        )


class Keeper(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Saves at the end of an epoch, on a signal, and when the last save is long ago."""

    def __init__(
        self,
        saver: Saver,
        judge: Judge,
        recorder: Recorder,
        *,
        every_epoch: bool,
        every_seconds: float,
    ) -> None:
        self._saver, self._judge, self._recorder = saver, judge, recorder
        self._every_epoch, self._every_seconds = every_epoch, every_seconds
        self._saved = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        """Save within an epoch when it was long ago, or when a signal came."""
        old = time.perf_counter() - self._saved > self._every_seconds
        parts = self._saver.parts
        if parts.is_mid_epoch and (parts.state.stop == "signal" or old):
            self._save_last()

    def on_train_epoch_end(self, *_: Any) -> None:
        """Save the last state, the epoch if it is the best, and its model where asked."""
        parts = self._saver.parts
        if parts.is_mid_epoch:
            return
        if self._judge.improved:
            self._saver.best(self._judge.metrics)
        if self._every_epoch:
            self._saver.epoch(parts.state.epoch, self._judge.metrics, self._judge.task)
        self._save_last()

    def _save_last(self) -> None:
        self._recorder.flush()
        self._saver.last()
        self._saved = time.perf_counter()


@torch.no_grad()
def resume_from(parts: Parts, folder: Path) -> None:
    """Put weights, optimizer and counters back as the last checkpoint holds them, if there is one.

    Raises:
        CheckpointError: BN502, it is damaged, or of a run with another model, plan or rows.
    """
    if not has_checkpoint(folder, LAST):
        return
    found = load_checkpoint(folder, LAST)
    plan = [parts.plan.steps, parts.plan.steps_per_epoch]
    if found.state["plan"] != plan:
        raise CheckpointError(
            f"it is of a run of {found.state['plan'][0]} steps, this one has {plan[0]}",
            where=str(folder),
            fix="resume with the recipe and the data of that run, or start a new run",
        )
    # What was learned before the change may be judged after it. Older checkpoints do not tell.
    if found.state.get("rows", list(parts.rows)) != list(parts.rows):
        raise CheckpointError(
            "the rows are others than when the run was stopped",
            where=str(folder),
            fix="put the data back as it was, or start a new run with `burnish run`",
        )
    restore_weights(parts.model, found.weights, where=folder)
    parts.optimizer.load_state_dict(found.state["optimizer"])
    state = RunState.from_json(found.state["run"])
    for name in RunState.__slots__:
        setattr(parts.state, name, getattr(state, name))
    parts.learned.restore(found.state.get("learned", {}))
    if parts.average:
        for value, saved in zip(parts.average.values, found.state["average"], strict=True):
            value.copy_(saved)
