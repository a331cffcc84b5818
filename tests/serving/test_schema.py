"""What the server tells of itself at /openapi.json holds for whatever is sent to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Running

COUNT = int(os.environ.get("BURNISH_SLOW_COUNT", "40"))
COMMAND = "from schemathesis.cli import schemathesis; schemathesis()"
# A form cannot say all that a request must be: a text of a space, or a parameter of OpenAI's that
# is known and not done, is of the right form and refused with the reason.
NOT_OF_THE_FORM = "positive_data_acceptance"


def check(server: Running, folder: Path, *, examples: int) -> None:
    """Have schemathesis send requests to every operation; fail with what it says."""
    done = subprocess.run(
        [
            *(sys.executable, "-c", COMMAND, "run", f"{server.url}/openapi.json"),
            *("--max-examples", str(examples), "--seed", "1", "--no-color"),
            *("--exclude-checks", NOT_OF_THE_FORM),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: 23" in done.stdout


def test_answers_are_as_the_schema_says(all_served: Running, tmp_path: Path) -> None:
    check(all_served, tmp_path, examples=5)


@pytest.mark.slow
def test_answers_are_as_the_schema_says_in_many_tries(all_served: Running, tmp_path: Path) -> None:
    check(all_served, tmp_path, examples=5 * COUNT)
