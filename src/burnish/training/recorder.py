"""The training curve: what each step and each epoch came to, for the run's state and its tracker.

`train/loss` and its like are of an epoch, as `validation/loss` is; what ends in `_step` is of the
few steps since the line before, so that the two make two curves wherever they are drawn.

The first of the callbacks of `training.fit`; the judge of epochs hands its numbers to it.
"""

import time
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
import numpy as np

from burnish.tasks.encoded import Encoded
from burnish.tracking.base import Buffering, Resumable, Tracker
from burnish.training.datamodule import Step
from burnish.training.module import Parts

Metrics = dict[str, float]


class Recorder(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Writes the training curve to the state and to the tracker."""

    def __init__(self, parts: Parts, train: Encoded, tracker: Tracker, *, every_steps: int) -> None:
        self._parts, self._tracker, self._every = parts, tracker, every_steps
        self._sitting = self._window = time.perf_counter()
        self._before = parts.state.seconds  # of earlier sittings
        self._window_tokens = parts.state.tokens
        self._train = train
        # Steps of the present epoch that are told already; a line of before the stop ends there.
        untold = parts.state.step % every_steps
        self._told = max(0, len(parts.learned) - untold)

    def on_train_start(self, *_: Any) -> None:
        """Start the clock; trackers of a run that goes on put their curves right."""
        state = self._parts.state
        if isinstance(self._tracker, Resumable):
            told = [(line["step"], line["metrics"]) for line in state.history]
            self._tracker.go_on(told, step=state.step)
        self._sitting = self._window = time.perf_counter()

    def on_train_batch_end(
        self, _trainer: Any, _module: Any, outputs: Any, batch: Step, _index: int
    ) -> None:
        """Note the step; every so many steps, and as an epoch ends, tell metrics, rate and speed.

        So no row is in one line twice.
        """
        state = self._parts.state
        state.seconds = self._before + time.perf_counter() - self._sitting
        learned = self._parts.learned
        self._told = min(self._told, len(learned))  # it is empty where an epoch begins
        learned.add(outputs, batch.rows)
        if state.step % self._every and self._parts.is_mid_epoch:
            return
        now = time.perf_counter()
        # By the thresholds that the run began with: a run that goes on knows no others yet.
        told = learned.metrics(self._parts.task, self._train, since=self._told, ending="_step")
        self._told = len(learned)
        told |= {
            "train/gradient_norm": outputs["norm"],
            "learning_rate": max(g["lr"] for g in self._parts.optimizer.param_groups),
            "tokens_per_second": (state.tokens - self._window_tokens) / (now - self._window),
        }
        self.note("step", told)
        self._window, self._window_tokens = now, state.tokens

    def note(self, kind: str, metrics: Metrics) -> None:
        """Add numbers to the curve at the present step; those that are not finite are left out."""
        state = self._parts.state
        told = {name: float(value) for name, value in metrics.items() if np.isfinite(value)}
        epoch = round(state.step / self._parts.plan.steps_per_epoch, 4)
        state.history.append({"step": state.step, "epoch": epoch, "kind": kind, "metrics": told})
        self._tracker.log_metrics(told, step=state.step)

    def flush(self) -> None:
        """Have the tracker keep what it was told, as a run that is resumed does not tell it again.

        It may still fail to: then it can make up for it from the history.
        """
        if isinstance(self._tracker, Buffering):
            self._tracker.flush()
