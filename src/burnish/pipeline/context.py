"""What a run is handed from outside: its folder and its tracker; and how models are fetched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from burnish.runfolder import RunFolder
from burnish.tracking.base import MemoryTracker, Tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Ports of the pipeline; tests and other programs bring their own."""

    folder: RunFolder
    tracker: Tracker = field(default_factory=MemoryTracker)
    timings: dict[str, float] = field(default_factory=dict)  # node → seconds, filled as it runs
    resume: bool = False  # go on from the last checkpoint in the folder

    @classmethod
    def of_nothing(cls) -> Self:
        """Return the context of a graph asked for no node that writes: no folder is made."""
        return cls(folder=RunFolder(Path("-")))


def fetchers(tracking_uri: str) -> Mapping[str, Callable[[str], Path]]:
    """Return, by URI scheme, a function from a model URI to a local folder.

    `models:/…` and `runs:/…` are brought here through MLflow.
    """

    def fetch(reference: str) -> Path:
        from burnish.tracking.mlflow import download

        return download(reference, tracking_uri)

    return {"models": fetch, "runs": fetch}
