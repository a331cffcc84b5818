"""Files written whole or not at all, and read back with errors that say what is wrong.

A temporary file beside the one that is wanted, flushed to the disk, then renamed. A reader
therefore never sees half a file, and a killed run leaves only complete ones. Failures of the disk
become StorageError (BN402).
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import IO, Any

from burnish.errors import BurnishError, RunFolderError, StorageError

_HASH_BLOCK_BYTES = 1 << 20
_CHANCE = 8  # characters that `tempfile` draws for a name


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


@contextmanager
def path_errors(error: type[BurnishError], *, where: str, fix: str) -> Iterator[None]:
    """Turn what is wrong with a path itself inside the block into `error`.

    That is no right to look there, a name too long, the home of nobody, or a pattern that is
    none. Python has an exception of its own for each; a path where nothing lies raises none.
    """
    try:
        yield
    except (OSError, RuntimeError, ValueError) as err:
        what = f"cannot be looked up: {getattr(err, 'strerror', None) or err}"
        raise error(what, where=where, fix=fix) from err


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
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `path` when the block ends well, and else vanishes.

    An older folder there is replaced.

    Raises:
        StorageError: BN402, no space or no permission.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        with storage_errors(path):
            for made in (temporary, *temporary.iterdir()):
                apply_umask(made)
            shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def clear_unfinished(folder: Path, *names: str) -> None:
    """Remove what the writers here leave behind when the process is killed in the middle.

    Args:
        folder: that nobody else writes to now.
        names: patterns of the files and folders that were wanted, as in "last-*".

    Raises:
        StorageError: BN402, no permission.
    """
    with storage_errors(folder):
        for name in names:
            for path in folder.glob(f".{name}.{'?' * _CHANCE}"):  # as `tempfile` names them
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


@contextmanager
def new_folder(path: Path, *, fix: str) -> Iterator[Path]:
    """Yield what `whole_folder` does, where nothing would be replaced.

    Raises:
        StorageError: BN402, `path` holds something, or cannot be made.
    """
    with storage_errors(path):
        is_there = path.exists()
    if is_there:
        empty_folder(path, fix=fix)
    with whole_folder(path) as temporary:
        yield temporary


def read_json(path: Path) -> Any:
    """Return the JSON document in `path`.

    Raises:
        RunFolderError: BN601, the file is missing or not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise unreadable(path, err) from err


def read_jsonl(path: Path) -> list[Any]:
    """Return the JSON values of `path`, one a line. Raises RunFolderError (BN601)."""
    try:
        # Not splitlines(): texts may hold U+2028 and its like, which end no line of JSON.
        return [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
    except (OSError, ValueError) as err:
        raise unreadable(path, err) from err


def unreadable(path: Path, err: Exception) -> RunFolderError:
    """Return the error for a file that holds something else than it should."""
    return RunFolderError(
        f"cannot be read: {type(err).__name__}: {err}",
        where=str(path),
        fix="make the run again, or name the folder of a finished run",
    )
