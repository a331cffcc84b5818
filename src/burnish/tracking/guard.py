"""Lets a run report to several trackers without depending on any of them.

A tracker is a convenience: the run folder holds everything already. So the first failure of a
tracker silences it with one warning that says what was lost, and training goes on.

How long a failing tracker can hold a run up: a store that refuses is noticed at once. For a
server that stopped answering, `tracking.mlflow` allows each request 30 seconds and one retry
(unless MLFLOW_HTTP_REQUEST_TIMEOUT or _MAX_RETRIES say otherwise), looks for 3 seconds whether
anybody listens before it starts, and sends metrics from a thread; so at most about a minute is
lost when it hangs, once, and once more when the run is closed; before a checkpoint its numbers are
waited for, 5 seconds at most. A tracker of your own must bound
its time likewise: nothing here can interrupt it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from burnish.errors import UnknownPluginError
from burnish.tracking.base import (
    Buffering,
    DatasetInfo,
    ModelInfo,
    Resumable,
    RunInfo,
    Status,
    Tracker,
)

_log = logging.getLogger(__name__)


@runtime_checkable
class Referable(Protocol):
    """A tracker that can say where a run is found again."""

    @property
    def reference(self) -> str:
        """A URI or folder, such as `runs:/<id>`; empty before `start`."""


class GuardedTracker:
    """Fans out to named trackers; never raises but for KeyboardInterrupt and SystemExit."""

    def __init__(self, trackers: Mapping[str, Tracker]) -> None:
        self._trackers = dict(trackers)
        self.failures: dict[str, str] = {}  # name → what ended it, for the report

    def add(self, name: str, make: Callable[[], Tracker]) -> None:
        """Take in one more tracker; one that cannot be made is silenced from the beginning.

        Raises:
            UnknownPluginError: BN102, there is no tracker of that name, which `make` says.
        """
        try:
            self._trackers[name] = make()
        except UnknownPluginError:
            raise
        except Exception as err:  # noqa: BLE001 - whatever a tracker raises must not end a run
            self._silence(name, "the run", err)

    def references(self) -> dict[str, str]:
        """Return where each working tracker keeps the run, by the tracker's name."""
        found: dict[str, str] = {}
        for name, tracker in self._trackers.items():
            if name in self.failures:
                continue
            try:
                if isinstance(tracker, Referable) and tracker.reference:
                    found[name] = tracker.reference
            except Exception as err:  # noqa: BLE001 - as above
                self._silence(name, "where the run is found again", err)
        return found

    def start(self, run: RunInfo) -> None:
        """Open a run in every tracker."""
        self._tell(f"run {run.name}", lambda tracker: tracker.start(run))

    def log_params(self, params: Mapping[str, str | int | float | bool | None]) -> None:
        """Record settings."""
        self._tell(f"{len(params)} parameters", lambda tracker: tracker.log_params(params))

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record numbers at an optimizer step."""
        self._tell(
            f"metrics of step {step}", lambda tracker: tracker.log_metrics(metrics, step=step)
        )

    def flush(self) -> None:
        """Have numbers that are kept back sent."""

        def ask(tracker: Tracker) -> None:
            if isinstance(tracker, Buffering):
                tracker.flush()

        self._tell("what waited", ask)

    def go_on(self, history: Sequence[tuple[int, Mapping[str, float]]], *, step: int) -> None:
        """Have curves put right up to a checkpoint."""

        def ask(tracker: Tracker) -> None:
            if isinstance(tracker, Resumable):
                tracker.go_on(history, step=step)

        self._tell(f"the curve up to step {step}", ask)

    def log_file(self, path: Path, *, folder: str = "") -> None:
        """Keep a file or folder."""
        self._tell(f"file {path.name}", lambda tracker: tracker.log_file(path, folder=folder))

    def log_dataset(self, dataset: DatasetInfo) -> None:
        """Record which rows a split consisted of."""
        self._tell(f"dataset {dataset.split}", lambda tracker: tracker.log_dataset(dataset))

    def log_model(self, model: ModelInfo) -> None:
        """Keep the finished model."""
        self._tell("the finished model", lambda tracker: tracker.log_model(model))

    def finish(self, status: Status) -> None:
        """Close the run everywhere, in silenced trackers too: they hold threads and files."""
        silenced = [one for name, one in self._trackers.items() if name in self.failures]
        self._tell(f"status {status}", lambda tracker: tracker.finish(status))
        for tracker in silenced:
            try:
                tracker.finish(status)
            except Exception as err:  # noqa: BLE001 - its failure was told already
                _log.debug("a silenced tracker cannot be closed: %s", err)

    def _tell(self, what: str, call: Callable[[Tracker], None]) -> None:
        for name, tracker in self._trackers.items():
            if name in self.failures:
                continue
            try:
                call(tracker)
            except Exception as err:  # noqa: BLE001 - whatever a tracker raises must not end a run
                self._silence(name, what, err)

    def _silence(self, name: str, what: str, err: Exception) -> None:
        self.failures[name] = f"{type(err).__name__}: {err}"
        told = "tracker %s is silenced: %s, and all that follows, is not kept there; "
        told += "the run folder has it. Cause: %s"
        _log.warning(told, name, what, self.failures[name])
