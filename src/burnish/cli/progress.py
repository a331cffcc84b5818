"""How a long command tells what it does, and how it goes on once it was stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from burnish.cli.options import say


def announce(step: str, description: str) -> None:
    """Say what is done now."""
    say(f"· {description or step}")


@contextmanager
def stoppable(what: str, how: str) -> Iterator[Callable[[Path], None]]:
    """Yield what is to be told the folder; where the command is stopped, say how it goes on.

    Args:
        what: the folder is, as in "run folder".
        how: what to do to go on, with `{folder}` in it.
    """
    folders: list[Path] = []

    def started(folder: Path) -> None:
        say(f"{what}: {folder}")
        folders.append(folder)

    try:
        yield started
    except (KeyboardInterrupt, SystemExit):
        for folder in folders:
            say(f"stopped; {how.format(folder=folder)}")
        raise
