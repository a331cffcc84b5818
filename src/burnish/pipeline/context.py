"""What a run is handed from outside: its folder, its tracker, how to fetch models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from burnish.runfolder import RunFolder
from burnish.tracking.base import MemoryTracker, Tracker


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Ports of the pipeline; tests and other programs bring their own."""

    folder: RunFolder
    tracker: Tracker = field(default_factory=MemoryTracker)
    fetchers: Mapping[str, Callable[[str], Path]] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)  # node → seconds, filled as it runs
    resume: bool = False  # go on from the last checkpoint in the folder
