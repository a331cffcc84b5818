"""What happens around optimizer steps: judging, checkpoints, the curve, stopping.

Lightning's own logger, checkpoints and progress bar are off; these take their place. They
run in the order of `fit`: recorder, judge, keeper, stopper, progress.
"""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
import numpy as np
import torch
from numpy.typing import NDArray

from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import Buffering, Resumable, Tracker
from burnish.training.datamodule import Feed, Step
from burnish.training.module import Parts
from burnish.training.predict import raw_outputs

Metrics = dict[str, float]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Recorder(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Writes the training curve to the state and to the tracker."""

    def __init__(self, parts: Parts, tracker: Tracker, *, every_steps: int) -> None:
        self._parts, self._tracker, self._every = parts, tracker, every_steps
        self._sitting = self._window = time.perf_counter()
        self._before = parts.state.seconds  # of earlier sittings
        self._window_tokens = parts.state.tokens
        self._losses: list[float] = []

    def on_train_start(self, *_: Any) -> None:
        """Start the clock; trackers of a run that goes on put their curves right."""
        state = self._parts.state
        if isinstance(self._tracker, Resumable):
            told = [(line["step"], line["metrics"]) for line in state.history]
            self._tracker.go_on(told, step=state.step)
        self._sitting = self._window = time.perf_counter()

    def on_train_batch_end(
        self, _trainer: Any, _module: Any, outputs: Any, _batch: Step, _index: int
    ) -> None:
        """Note the step; every so many steps, tell loss, rate and speed."""
        state = self._parts.state
        state.seconds = self._before + time.perf_counter() - self._sitting
        self._losses.append(float(outputs["loss"]))
        if state.step % self._every and state.step != self._parts.plan.steps:
            return
        now = time.perf_counter()
        self.note(
            "step",
            {
                "train/loss": float(np.mean(self._losses)),
                "train/gradient_norm": outputs["norm"],
                "learning_rate": max(g["lr"] for g in self._parts.optimizer.param_groups),
                "tokens_per_second": (state.tokens - self._window_tokens) / (now - self._window),
            },
        )
        self._window, self._window_tokens, self._losses = now, state.tokens, []

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


class Judge(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Scores the epoch on the rows that choose, and says whether it is the best so far."""

    def __init__(
        self, parts: Parts, feed: Feed, train: Encoded, choose: Encoded | None, recorder: Recorder
    ) -> None:
        self._parts, self._feed, self._recorder = parts, feed, recorder
        self._train, self._choose = train, choose
        self._seen: list[tuple[torch.Tensor, Step, float]] = []
        self.improved = False
        self.metrics: Metrics = {}
        self.task: Task = parts.task  # with the thresholds of the latest epoch
        # Outputs on the rows that choose, (n, classes); none of epochs of an earlier sitting.
        self.latest: NDArray[np.float32] | None = None
        self.best: NDArray[np.float32] | None = None

    def on_train_batch_end(
        self, _trainer: Any, _module: Any, outputs: Any, batch: Step, _index: int
    ) -> None:
        """Keep what the model said of the training rows while it learned."""
        self._seen.append((outputs["outputs"], batch, float(outputs["loss"])))

    def on_train_epoch_end(self, trainer: Any, _module: Any) -> None:
        """Score the epoch, unless the run was told to stop in the middle of it."""
        state = self._parts.state
        if state.stop == "signal" and self._parts.is_mid_epoch:
            return
        state.epoch, state.step_in_epoch = state.epoch + 1, 0
        self.metrics = self._validation() if self._choose is not None else {}
        self.metrics = self._training() | self.metrics
        self._recorder.note("epoch", self.metrics)
        self._seen = []
        if self._choose is not None:
            self._compare(state)
            early = self._parts.training.early_stopping
            if early and state.waited >= early.patience:
                state.stop = "early"
                trainer.should_stop = True

    def _training(self) -> Metrics:
        """Return the metrics of the rows of the epoch, as they were answered in training."""
        rows = np.concatenate([step.rows for _, step, _ in self._seen])
        outputs = torch.cat([out for out, _, _ in self._seen]).numpy()
        losses = [loss for _, _, loss in self._seen]
        scores = self.task.judge(outputs, self._train.take(rows.tolist()))
        return _named("train", scores) | {"train/loss": float(np.mean(losses))}

    def _validation(self) -> Metrics:
        parts, choose = self._parts, self._choose
        if choose is None:
            return {}
        with averaged(parts):
            outputs = raw_outputs(
                parts.model, choose, parts.task, parts.hardware, packed=self._feed.packed
            )
        self.latest = outputs
        self.task = parts.task.tune(outputs, choose)
        return _named("validation", self.task.judge(outputs, choose))

    def _compare(self, state: Any) -> None:
        early = self._parts.training.early_stopping
        name = early.metric if early else self._parts.task.selects
        value = self.metrics[f"validation/{name}"]
        upwards = self._parts.task.higher_is_better(name)
        gain = np.inf
        if state.best_value is not None:
            gain = (value - state.best_value) * (1 if upwards else -1)
        if not np.isfinite(value):  # such as an area under a curve without positives
            gain = -np.inf
        self.improved = bool(gain > 0)
        state.waited = 0 if gain > (early.min_delta if early else 0) else state.waited + 1
        if self.improved:
            state.best_value, state.best_epoch = value, state.epoch
            self.best = self.latest


class Stopper(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Ends training when time is up, or when a signal says so; both at the end of a step."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._before: dict[signal.Signals, Any] = {}  # handlers to give back
        self.signal: int | None = None

    def on_train_start(self, *_: Any) -> None:
        """Take the signals over from Lightning, which would end at once, nothing saved."""
        for one in self._before:
            signal.signal(one, self._note)

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Look at the clock and at the signal."""
        state, limit = self._parts.state, self._parts.training.max_time
        if self.signal is not None:
            state.stop = "signal"
        elif limit is not None and state.seconds >= limit * 60:
            state.stop = "time"
        if state.stop:
            trainer.should_stop = True

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note SIGINT and SIGTERM inside the block; a second one acts at once.

        Signals reach the main thread only; elsewhere this does nothing.
        """
        if threading.current_thread() is threading.main_thread():
            self._before = {one: signal.getsignal(one) for one in _SIGNALS}
        try:
            yield
        finally:
            for one, handler in self._before.items():
                signal.signal(one, handler)

    def _note(self, number: int, _: Any) -> None:
        self.signal = number
        signal.signal(number, self._before[signal.Signals(number)])


@contextmanager
def averaged(parts: Parts) -> Iterator[None]:
    """Put the average in place of the weights inside the block, where there is one."""
    if parts.average:
        parts.average.swap()
    try:
        yield
    finally:
        if parts.average:
            parts.average.swap()


def _named(part: str, scores: Metrics) -> Metrics:
    return {f"{part}/{name}": value for name, value in scores.items()}
