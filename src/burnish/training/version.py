"""What version of a model lies in a folder: the same for the same files, wherever they lie."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from burnish.files import sha256
from burnish.training.guard import read_config
from burnish.training.sources import ModelSource

_CARD = "README.md"  # changes no answer
_ADAPTER = "adapter_config.json"
_SHOWN = 16  # hexadecimal digits


def model_version(source: ModelSource) -> str:
    """Return the first 16 hexadecimal digits of a sha256 over a model's files and its base's."""
    found = hashlib.sha256()
    for path in _files(source):
        found.update(f"{path.name} {_digest(path)}\n".encode())
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


def _digest(path: Path) -> str:
    """Return the sha256 of a file; of an adapter's settings without the place of its base."""
    if path.name != _ADAPTER:
        return sha256(path)
    told = read_config(path) | {"base_model_name_or_path": None}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
