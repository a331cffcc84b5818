"""The folder beside a file of answers in which they are made, and how far that has come.

Called by `pipeline.batch_answers`.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from burnish.errors import UsageError
from burnish.files import read_json, write_json

ANSWERS, FAULTS = "answers.jsonl", "faults.jsonl"
_PROGRESS, _LOCK = "progress.json", "lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far the work has come; a line of `progress.json`."""

    job: dict[str, Any]  # what is answered, by what: another job begins anew
    row: int = 0  # the last record that was dealt with
    answers: int = 0  # bytes of the file of answers up to there
    faults: int = 0

    @classmethod
    def of(cls, folder: Path, job: dict[str, Any]) -> "Progress":
        """Return what is told of the same job, where the files are still there; else none."""
        known = read_json(folder / _PROGRESS) if (folder / _PROGRESS).is_file() else {}
        told = cls(**known) if known.get("job") == job else cls(job=job)
        sizes = ((ANSWERS, told.answers), (FAULTS, told.faults))
        # A call that was stopped while it put its files in their places has left the mark alone.
        there = all(not size or _size(folder / name) >= size for name, size in sizes)
        return told if there else cls(job=job)

    def mark(self, folder: Path) -> None:
        """Write it into the folder, after the answers and faults that it counts."""
        write_json(folder / _PROGRESS, asdict(self))


@contextmanager
def partial_folder(out: Path) -> Iterator[Path]:
    """Yield the folder for the answers of `out`, which no other call is in until this one ends.

    It stays for a later call where progress was marked in it.

    Raises:
        UsageError: BN103, another call is writing these answers.
    """
    folder = out.with_name(f".{out.name}.partial")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as err:
        raise UsageError(
            "another call is writing these answers",
            where=f"option --out ({out})",
            fix="wait until it has ended, or name another file",
        ) from err
    try:
        yield folder
    finally:
        if folder.is_dir() and not (folder / _PROGRESS).is_file():
            shutil.rmtree(folder)
        lock.release()


def appended(path: Path, at: int) -> IO[bytes]:
    """Open a file to write on from a place, behind which nothing stays."""
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(at)
    file.seek(at)
    return file


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
