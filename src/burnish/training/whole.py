"""A folder that is written whole or not at all, as `runfolder.atomic_writer` writes a file."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish.runfolder import apply_umask, storage_errors


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
