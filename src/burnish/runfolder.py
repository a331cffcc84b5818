"""The run folder: where each file of a run lies, and how it is written.

Every file is written whole or not at all: a temporary file beside it, flushed to the disk,
then renamed. A reader therefore never sees half a file, and a killed run leaves only
complete ones. Failures of the disk become StorageError (BN402).
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from burnish.errors import RunFolderError, StorageError
from burnish.records import Prediction

_LABEL_FILES = ("label-errors.json", "label-errors.jsonl", "conflicts.jsonl")
MODEL_FACTS = "burnish.json"  # in a model folder: task, thresholds, what it was made from
_HASH_BLOCK_BYTES = 1 << 20


class _Watched(BufferedWriter):
    """Remembers a failed write: a library that writes through it may raise something else."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as err:
            self.failure = err
            raise


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        StorageError: BN402, no permission, no space, or the parent is not a folder.
    """
    with atomic_path(path) as temporary, _Watched(FileIO(temporary, "wb")) as file:
        try:
            yield file
        except Exception:
            if file.failure:
                raise file.failure from None
            raise
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def atomic_path(path: Path, *also: type[Exception]) -> Iterator[Path]:
    """Yield an empty file's path, for a library to write to, that becomes `path` as above.

    The temporary file lies in the same folder because a rename across file systems is a copy,
    and a copy can be cut short.

    Args:
        path: what it becomes.
        also: what the library raises where it cannot write.

    Raises:
        StorageError: BN402, as `atomic_writer`.
    """
    with storage_errors(path, *also):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(descriptor)
        try:
            yield Path(temporary)
            apply_umask(Path(temporary))
            os.replace(temporary, path)  # noqa: PTH105
            _sync_folder(path.parent)
        finally:
            Path(temporary).unlink(missing_ok=True)


@contextmanager
def storage_errors(path: Path, *also: type[Exception]) -> Iterator[None]:
    """Turn an OSError inside the block into StorageError (BN402) that names `path`.

    Args:
        path: what could not be written.
        also: what a library raises in its place.
    """
    failures: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except failures as err:
        raise StorageError(
            f"cannot write: {getattr(err, 'strerror', None) or err}",
            where=str(path),
            fix="free space or give write permission there, or name another folder with `--out`",
        ) from err


def apply_umask(path: Path) -> None:
    """Give a file or folder the permissions the user's umask asks for.

    Temporary ones, and weights as safetensors writes them, are closed to everyone else.
    """
    current = os.umask(0)
    os.umask(current)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~current)


def _sync_folder(folder: Path) -> None:
    """Flush the rename itself; without it a power cut can undo a finished write."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with atomic_writer(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document, indented, keys in the order given."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON value a line."""
    with atomic_writer(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def sha256(path: Path) -> str:
    """Return the hex digest of a file, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def empty_folder(path: Path, *, fix: str) -> Path:
    """Make a folder, or take one that is empty.

    Raises:
        StorageError: BN402, it holds something, or cannot be made.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StorageError("the folder exists and is not empty", where=str(path), fix=fix)
    return path


@contextmanager
def new_folder(path: Path, *, fix: str) -> Iterator[Path]:
    """Yield a folder that becomes `path` when the block ends well, and vanishes when it does not.

    Raises:
        StorageError: BN402, `path` holds something, or cannot be made.
    """
    with storage_errors(path):
        if path.exists():
            empty_folder(path, fix=fix)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        with storage_errors(path):
            apply_umask(temporary)
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


class LabelFiles(NamedTuple):
    """Paths of what is said of labels that are likely wrong."""

    summary: Path  # how many rows were looked at, flagged, and in conflict; or why nobody looked
    ranked: Path  # every row, the one with the most doubtful label first
    conflicts: Path  # near-duplicates with different labels

    @classmethod
    def of(cls, root: Path) -> Self:
        """Return the paths in a run folder, or in a folder of their own."""
        return cls(*(root / name for name in _LABEL_FILES))


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run; see `docs/reference/run-folder.md` for what each file holds."""

    root: Path

    @classmethod
    def create(cls, name: str, *, out: Path | None = None) -> "RunFolder":
        """Make a new, empty run folder: `out`, or `runs/<UTC time>-<name>`.

        Raises:
            StorageError: BN402, it exists and is not empty, or cannot be made.
        """
        root = out or _free_path(Path("runs"), name)
        fix = "name another folder with `--out`, or go on with `burnish resume`"
        return cls(empty_folder(root, fix=fix))

    @classmethod
    def open(cls, root: Path) -> "RunFolder":
        """Return an existing run folder.

        Raises:
            RunFolderError: BN601, `root` holds no recipe.yaml.
        """
        if not (root / "recipe.yaml").is_file():
            raise RunFolderError(
                "not a run folder: it holds no recipe.yaml",
                where=str(root),
                fix="name a folder that `burnish run` made, such as runs/<time>-<name>",
            )
        return cls(root)

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def manifest(self) -> Path:
        """Inputs, versions, machine, timings."""
        return self.root / "manifest.json"

    @property
    def ledger(self) -> Path:
        """Rows in = rows kept + rows dropped, by stage and reason."""
        return self.root / "ledger.json"

    @property
    def findings(self) -> Path:
        """What the data checks said."""
        return self.root / "findings.jsonl"

    @property
    def history(self) -> Path:
        """Training curve: one line for each logged step and epoch."""
        return self.root / "history.jsonl"

    @property
    def tracking(self) -> Path:
        """Where trackers keep the run, by tracker, such as `mlflow: runs:/<id>`."""
        return self.root / "tracking.json"

    @property
    def scores(self) -> Path:
        """Metrics with intervals."""
        return self.root / "scores.json"

    @property
    def verdict(self) -> Path:
        """ship, keep-baseline or need-more-data, with reasons."""
        return self.root / "verdict.json"

    @property
    def report(self) -> Path:
        """The self-contained page."""
        return self.root / "report.html"

    @property
    def start(self) -> Path:
        """The model that was fitted, where its output layer had to be trained first."""
        return self.root / "start"

    @property
    def model(self) -> Path:
        """The model in save_pretrained form."""
        return self.root / "model"

    @property
    def checkpoints(self) -> Path:
        """Training state to resume from."""
        return self.root / "checkpoints"

    @property
    def splits(self) -> Path:
        """The rows of each split as they were used, one parquet file a split."""
        return self.root / "splits"

    @property
    def control(self) -> Path:
        """Checkpoints of the control, which learned rows from before the selection."""
        return self.root / "control"

    @property
    def probes(self) -> Path:
        """What each system put in the place of masks."""
        return self.root / "probes.json"

    @property
    def selection(self) -> Path:
        """What the recipe's formula of signals selected."""
        return self.root / "selection.json"

    @property
    def left_out(self) -> Path:
        """The rows that it left out."""
        return self.root / "left-out.jsonl"

    @property
    def label_files(self) -> LabelFiles:
        """What is said of labels that are likely wrong."""
        return LabelFiles.of(self.root)

    def predictions(self, system: str, split: str) -> Path:
        """Return the prediction file of one system on one split."""
        return self.root / "predictions" / f"{system}.{split}.jsonl"


def _free_path(parent: Path, name: str) -> Path:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path, again = parent / f"{stamp}-{name}", 2
    while path.exists():
        path, again = parent / f"{stamp}-{name}-{again}", again + 1
    return path


def read_json(path: Path) -> Any:
    """Return the JSON document in `path`.

    Raises:
        RunFolderError: BN601, the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise _unreadable(path, err) from err


def read_jsonl(path: Path) -> list[Any]:
    """Return the JSON values of `path`, one a line. Raises RunFolderError (BN601)."""
    try:
        # Not splitlines(): texts may hold U+2028 and its like, which end no line of JSON.
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    except (OSError, ValueError) as err:
        raise _unreadable(path, err) from err


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write one prediction a line."""
    write_jsonl(path, (p.to_json() for p in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """Return the predictions of a file, in its order.

    Raises:
        RunFolderError: BN601, the file is missing, not JSON lines, or a line lacks id or answer.
    """
    try:
        return [Prediction.from_json(line) for line in read_jsonl(path)]
    except (KeyError, TypeError, AttributeError) as err:
        raise _unreadable(path, err) from err


def _unreadable(path: Path, err: Exception) -> RunFolderError:
    return RunFolderError(
        f"cannot be read: {type(err).__name__}: {err}",
        where=str(path),
        fix="make the run again, or name the folder of a finished run",
    )
