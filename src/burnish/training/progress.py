"""How training is going, for the person who waits: a bar on a terminal, else a line at times."""

import logging
import sys
import time
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from burnish.training.datamodule import Step
from burnish.training.module import Parts

LOG = logging.getLogger("burnish.training")
_QUIET_SECONDS = 30.0  # between lines where there is no terminal
_SMOOTHING = 0.9


class Meter(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Shows loss, tokens a second and time left, on standard error."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._bar: Progress | None = None
        self._row = TaskID(0)
        self._loss: float | None = None
        self._start = self._told = time.perf_counter()
        self._start_tokens, self._start_step = parts.state.tokens, parts.state.step

    def on_train_start(self, *_: Any) -> None:
        """Open the bar where standard error is a terminal."""
        self._start = self._told = time.perf_counter()
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("training"),
                BarColumn(),
                TextColumn("{task.fields[told]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._row = self._bar.add_task(
                "training", total=self._parts.plan.steps, completed=self._start_step, told=""
            )
            self._bar.start()

    def on_train_batch_end(
        self, _trainer: Any, _module: Any, outputs: Any, _batch: Step, _index: int
    ) -> None:
        """Move the bar, or write a line when the last one is old."""
        loss = float(outputs["loss"])
        kept = loss if self._loss is None else self._loss
        self._loss = _SMOOTHING * kept + (1 - _SMOOTHING) * loss
        if self._bar:
            self._bar.update(self._row, completed=self._parts.state.step, told=self._words())
        elif time.perf_counter() - self._told > _QUIET_SECONDS:
            self._told = time.perf_counter()
            left = (self._parts.plan.steps - self._parts.state.step) * self._seconds_a_step()
            LOG.info("%s · %.0f s left", self._words(), left)

    def on_train_end(self, *_: Any) -> None:
        """Close the bar."""
        self._close()

    def on_exception(self, *_: Any) -> None:
        """Close the bar."""
        self._close()

    def _close(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None

    def _seconds_a_step(self) -> float:
        done = max(1, self._parts.state.step - self._start_step)
        return (time.perf_counter() - self._start) / done

    def _words(self) -> str:
        state, plan = self._parts.state, self._parts.plan
        speed = (state.tokens - self._start_tokens) / (time.perf_counter() - self._start)
        return (
            f"epoch {state.step / plan.steps_per_epoch:.1f}/{plan.steps / plan.steps_per_epoch:g}"
            f" · loss {self._loss:.4f} · {speed:,.0f} tokens/s"
        )
