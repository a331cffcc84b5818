"""Where the starter recipe lies: what `burnish run` does when no recipe is named."""

from importlib.resources import files
from pathlib import Path


def starter_path() -> Path:
    """Return the path of the packaged starter recipe."""
    return Path(str(files("burnish.recipe").joinpath("starter.yaml")))
