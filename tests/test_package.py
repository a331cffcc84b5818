"""What is installed is all that is needed: no file beside the code stays behind."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "burnish"


def test_every_file_beside_the_code_is_installed() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    patterns = told["tool"]["setuptools"]["package-data"]["burnish"]
    installed = {path for pattern in patterns for path in PACKAGE.glob(pattern)}

    beside = {
        path
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix != ".py" and path.parent.name != "__pycache__"
    }

    assert beside
    assert beside - installed == set()
