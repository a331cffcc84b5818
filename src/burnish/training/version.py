"""What version of a model lies in a folder: the same for the same files, wherever they lie."""

import hashlib

from burnish.files import sha256
from burnish.training.sources import ModelSource

_CARD = "README.md"  # changes no answer
_SHOWN = 16  # hexadecimal digits


def model_version(source: ModelSource) -> str:
    """Return the first 16 hexadecimal digits of a sha256 over a model's files and its base's."""
    found = hashlib.sha256()
    for part in (source, source.base):
        files = sorted(part.folder.iterdir()) if part else []
        for path in files:
            if path.is_file() and path.name != _CARD:
                found.update(f"{path.name} {sha256(path)}\n".encode())
    return found.hexdigest()[:_SHOWN]
