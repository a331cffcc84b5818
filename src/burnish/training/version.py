"""What version of a model lies in a folder: the same for the same files, wherever they lie."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from burnish.files import sha256
from burnish.training.sources import ModelSource

_CARD = "README.md"  # changes no answer
_SHOWN = 16  # hexadecimal digits


def model_version(source: ModelSource) -> str:
    """Return the first 16 hexadecimal digits of a sha256 over a model's files and its base's."""
    found = hashlib.sha256()
    for path in _files(source):
        found.update(f"{path.name} {sha256(path)}\n".encode())
    return found.hexdigest()[:_SHOWN]


def last_writes(source: ModelSource) -> list[tuple[int, ...]]:
    """Return for each of those files which it is, its size and when it was last written.

    Another list after reading them means that what was read may be of no one version; to tell it
    takes no second reading.
    """
    told = [path.stat() for path in _files(source)]
    return [(one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in told]


def _files(source: ModelSource) -> Iterator[Path]:
    for part in (source, source.base):
        for path in sorted(part.folder.iterdir()) if part else ():
            if path.is_file() and path.name != _CARD:
                yield path
