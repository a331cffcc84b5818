"""What training and the pipeline expect of a tracker, and the one that keeps all in memory.

Called by everything that reports; the pipeline wraps real trackers in `guard.GuardedTracker`
so that a tracker that fails never ends a run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

Status = Literal["FINISHED", "FAILED", "KILLED"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """What a tracker is told when a run starts."""

    name: str
    folder: Path
    experiment: str
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    run_id: str | None = None  # go on with this run of the tracker's store, as `resume` does


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """One split of the data, as recorded beside the metrics."""

    split: str
    source: str
    digest: str  # sha256 of the rows
    rows: int
    columns: Mapping[str, str]  # name → type


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A finished model to be kept, and registered when `registered_name` is set."""

    folder: Path
    loader: Path  # Python file that MLflow runs to load the model ("models from code")
    input_example: list[str]
    output_example: list[dict[str, Any]]
    metadata: Mapping[str, Any]
    summary: str = ""  # layers, shapes and weights, as lines to read
    registered_name: str | None = None
    aliases: tuple[str, ...] = ()  # names such as "champion" moved to the new version


class Tracker(Protocol):
    """Receives what a run has to say. Methods may raise; the guard turns that into a warning."""

    def start(self, run: RunInfo) -> None:
        """Open a run."""

    def log_params(self, params: Mapping[str, str | int | float | bool | None]) -> None:
        """Record settings, once, flat names with dots."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record numbers at an optimizer step.

        `train/loss` and `validation/macro_f1` are of the epoch that ends there; `train/loss_step`
        is of the last few steps. A name comes once at a step.
        """

    def log_file(self, path: Path, *, folder: str = "") -> None:
        """Keep a file, or what a folder holds, in `folder` of the run's artifacts.

        A folder without `folder` is kept under its own name.
        """

    def log_dataset(self, dataset: DatasetInfo) -> None:
        """Record which rows a split consisted of."""

    def log_model(self, model: ModelInfo) -> None:
        """Keep the finished model with signature, input example and summary."""

    def finish(self, status: Status) -> None:
        """Close the run, flushing all that is buffered."""


@runtime_checkable
class Buffering(Protocol):
    """A tracker that keeps numbers back for a while, as one may that waits for a disk or a server.

    A run that is killed loses them; so training asks for them before it names a checkpoint.
    """

    def flush(self) -> None:
        """Put what waits where it outlives this process, or give up within seconds."""


@runtime_checkable
class Resumable(Protocol):
    """A tracker that can put its curve right when a run goes on from a checkpoint.

    It may lack numbers from before the checkpoint, and have some from after it, which come again.
    """

    def go_on(self, history: Sequence[tuple[int, Mapping[str, float]]], *, step: int) -> None:
        """Make the curve whole up to `step`, and ready for all that follows.

        Args:
            history: every step up to there with its numbers, as `log_metrics` was told them.
            step: the checkpoint's; 0 where training begins.
        """


@dataclass
class MemoryTracker:
    """Keeps everything it is told in lists; for tests and for runs without a tracker."""

    run: RunInfo | None = None
    params: dict[str, str | int | float | bool | None] = field(default_factory=dict)
    metrics: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    files: list[tuple[str, Path]] = field(default_factory=list)
    datasets: list[DatasetInfo] = field(default_factory=list)
    models: list[ModelInfo] = field(default_factory=list)
    status: Status | None = None

    def start(self, run: RunInfo) -> None:
        """Remember the run."""
        self.run = run

    def log_params(self, params: Mapping[str, str | int | float | bool | None]) -> None:
        """Remember settings."""
        self.params.update(params)

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Remember numbers with their step."""
        self.metrics.append((step, dict(metrics)))

    def log_file(self, path: Path, *, folder: str = "") -> None:
        """Remember the path."""
        self.files.append((folder, path))

    def log_dataset(self, dataset: DatasetInfo) -> None:
        """Remember the split."""
        self.datasets.append(dataset)

    def log_model(self, model: ModelInfo) -> None:
        """Remember the model."""
        self.models.append(model)

    def finish(self, status: Status) -> None:
        """Remember how it ended."""
        self.status = status
