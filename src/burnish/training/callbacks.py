"""What happens around optimizer steps: judging and stopping.

Lightning's own logger, checkpoints and progress bar are off; these take their place, with
`recorder`, `saving` and `progress`. They run in the order of `fit`: recorder, judge, stopper,
keeper, progress.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L  # noqa: N812  (the name its own documentation uses)
import numpy as np
from numpy.typing import NDArray

from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.training.datamodule import Feed
from burnish.training.module import Parts
from burnish.training.predict import raw_outputs
from burnish.training.recorder import Metrics, Recorder
from burnish.training.stopping import choosing_metric

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Judge(L.Callback):  # type: ignore[misc]  # Lightning has no types
    """Scores the epoch on the rows that choose, and says whether it is the best so far."""

    def __init__(
        self, parts: Parts, feed: Feed, train: Encoded, choose: Encoded | None, recorder: Recorder
    ) -> None:
        self._parts, self._feed, self._recorder = parts, feed, recorder
        self._train, self._choose = train, choose
        self.improved = False
        self.metrics: Metrics = {}
        self.task: Task = parts.task  # with the thresholds of the latest epoch
        # Outputs on the rows that choose, (n, classes); none of epochs of an earlier sitting.
        self.latest: NDArray[np.float32] | None = None
        self.best: NDArray[np.float32] | None = None

    def on_train_epoch_end(self, trainer: Any, _module: Any) -> None:
        """Score the epoch, unless the run was told to stop in the middle of it."""
        state = self._parts.state
        if state.stop == "signal" and self._parts.is_mid_epoch:
            return
        state.epoch, state.step_in_epoch = state.epoch + 1, 0
        self.metrics = self._validation() if self._choose is not None else {}
        self.metrics = self._parts.learned.metrics(self.task, self._train) | self.metrics
        self._parts.learned.forget()
        self._recorder.note("epoch", self.metrics)
        if self._choose is not None:
            self._compare(state)
            early = self._parts.training.early_stopping
            if early and state.waited >= early.patience:
                state.stop = "early"
                trainer.should_stop = True

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
        judged = self.task.judge(outputs, choose)
        return {f"validation/{name}": value for name, value in judged.items()}

    def _compare(self, state: Any) -> None:
        early = self._parts.training.early_stopping
        name = choosing_metric(self._parts.training, self._parts.task)
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
