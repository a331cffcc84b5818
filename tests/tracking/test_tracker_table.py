"""The recipe's tracker names become trackers."""

import subprocess
import sys
from pathlib import Path

import pytest

from burnish.errors import UnknownPluginError
from burnish.recipe.evaluation import Tracking
from burnish.tracking.table import make


def test_no_trackers_is_a_run_that_is_not_tracked(tmp_path: Path) -> None:
    guard = make(Tracking(trackers=()), tmp_path)
    guard.log_metrics({"loss": 1.0}, step=0)

    assert guard.references() == {}


def test_a_slip_in_a_trackers_name_is_answered_with_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownPluginError, match=r"use 'tensorboard'"):
        make(Tracking(trackers=("tensorbord",)), tmp_path)


def test_making_trackers_imports_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from burnish.tracking.table import make; "
        "from burnish.recipe.evaluation import Tracking; "
        "make(Tracking(trackers=('mlflow', 'tensorboard')), Path('x')); "
        "print([m for m in ('mlflow', 'tensorboard', 'torch', 'sqlalchemy') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert told.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []
