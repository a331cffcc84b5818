"""TensorBoard event files, written without TensorFlow and without torch. Owner of tensorboard.

Metrics become scalars; parameters become the hyper-parameter table and a text; datasets and the
finished model become texts. TensorBoard keeps no files, so a file is a line of text that says
where it lies. The event file is flushed every few seconds: `tensorboard --logdir` follows a run.

Imports tensorboard inside methods: 0.3 seconds that `burnish --help` does not pay.
"""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from burnish.errors import TrackerError
from burnish.recipe.evaluation import Tracking
from burnish.tracking.base import DatasetInfo, ModelInfo, RunInfo, Status
from burnish.tracking.params import written

_FLUSH_SECONDS = 5
_QUEUE_EVENTS = 1000  # the default of 10 makes training wait for the disk


def from_recipe(tracking: Tracking, folder: Path) -> "TensorBoardTracker":
    """Return a tracker that writes below `tracking.folder`, in a folder named as the run's."""
    return TensorBoardTracker(Path(tracking.folder) / folder.name)


class TensorBoardTracker:
    """One run in one folder of event files; a resumed run adds a file there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._writer: Any = None

    @property
    def reference(self) -> str:
        """The folder of event files; empty before `start`."""
        return "" if self._writer is None else str(self.folder)

    def start(self, run: RunInfo) -> None:
        """Open an event file.

        Raises:
            TrackerError: BN403, the folder cannot be written, or this tracker is open already.
        """
        if self._writer is not None:
            raise self._error("a run is open already")
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        try:
            self._writer = EventFileWriter(
                str(self.folder), max_queue_size=_QUEUE_EVENTS, flush_secs=_FLUSH_SECONDS
            )
        except OSError as err:
            raise self._error(f"no event file can be made: {err.strerror or err}") from err
        self._add_text("run", _table({"name": run.name, "folder": str(run.folder), **run.tags}))
        if run.description:
            self._add_text("description", run.description)

    def log_params(self, params: Mapping[str, str | int | float | bool | None]) -> None:
        """Record settings as hyper-parameters and as a readable table."""
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        told = {name: written(value) if value is None else value for name, value in params.items()}
        self._add(summary=hparams_pb(told))
        self._add_text("params", _table({name: written(value) for name, value in params.items()}))

    def log_metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record finite and infinite numbers; nan is kept too, where TensorBoard marks a gap."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=float(v)) for name, v in metrics.items()]
        self._add(summary=Summary(value=values), step=step)

    def flush(self) -> None:
        """Write what waits to the event file."""
        if self._writer is not None:
            self._writer.flush()

    def go_on(self, _history: Sequence[tuple[int, Mapping[str, float]]], *, step: int) -> None:
        """Have readers drop what earlier files hold of later steps: these are told again."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._add(step=step + 1, session_log=SessionLog(status=SessionLog.START))

    def log_file(self, path: Path, *, folder: str = "") -> None:
        """Say where the file lies: event files hold none."""
        size = f" ({path.stat().st_size:,} bytes)" if path.is_file() else ""
        self._add_text(f"files/{folder or '.'}/{path.name}", f"`{path.absolute()}`{size}")

    def log_dataset(self, dataset: DatasetInfo) -> None:
        """Record source, digest, rows and columns of a split as a text."""
        told = {
            "source": dataset.source,
            "sha256": dataset.digest,
            "rows": str(dataset.rows),
            "columns": ", ".join(f"{name}: {kind}" for name, kind in dataset.columns.items()),
        }
        self._add_text(f"data/{dataset.split}", _table(told))

    def log_model(self, model: ModelInfo) -> None:
        """Say where the model lies, what it answered for the example, and what it consists of."""
        pairs = zip(model.input_example, model.output_example, strict=False)
        shown = [{"text": text, **answer} for text, answer in pairs]
        told = json.dumps(shown, indent=2, ensure_ascii=False, default=str)
        self._add_text("model", f"`{model.folder.absolute()}`\n\n{indent(told, '    ')}")
        self._add_text("model_summary", indent(model.summary, "    "))

    def finish(self, status: Status) -> None:
        """Write what waits and close the file."""
        if self._writer is None:
            return
        try:
            self._add_text("status", status)
        finally:
            writer, self._writer = self._writer, None
            writer.close()

    def _add_text(self, tag: str, text: str) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._add(summary=text_pb(tag, text))

    def _add(self, *, step: int = 0, **what: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        if self._writer is None:
            raise self._error("no run is open; call `start` first")
        self._writer.add_event(Event(step=step, wall_time=time.time(), **what))

    def _error(self, what: str) -> TrackerError:
        return TrackerError(
            f"TensorBoard: {what}",
            where=str(self.folder),
            fix="set `tracking.folder` to one that can be written, "
            "or leave tensorboard out of `tracking.trackers`",
        )


def _table(rows: Mapping[str, str]) -> str:
    """Return a Markdown table; bars and line ends would break it, so they are replaced."""
    lines = ["| | |", "|---|---|"]
    for name, value in rows.items():
        cells = [cell.replace("|", "\\|").replace("\n", " ") for cell in (name, value)]
        lines.append(f"| {cells[0]} | {cells[1]} |")
    return "\n".join(lines)
