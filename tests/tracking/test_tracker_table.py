"""The recipe's tracker names become trackers."""

import subprocess
import sys
from pathlib import Path

import pytest

from burnish.errors import UnknownPluginError
from burnish.recipe.evaluation import Tracking
from burnish.tracking.table import TRACKERS, make


def test_no_trackers_is_a_run_that_is_not_tracked(tmp_path: Path) -> None:
    guard = make(Tracking(trackers=()), tmp_path)
    guard.log_metrics({"loss": 1.0}, step=0)

    assert guard.references() == {}


def test_a_slip_in_a_trackers_name_is_answered_with_the_near_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownPluginError, match=r"use 'tensorboard'"):
        make(Tracking(trackers=("tensorbord",)), tmp_path)


def broken(*_: object) -> None:
    raise RuntimeError("no licence")


@pytest.mark.parametrize("place", [f"{__name__}:broken", f"{__name__}:absent", "no_such_package:a"])
def test_a_tracker_that_cannot_be_made_is_silenced_and_the_others_work(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRACKERS._where, "broken", place)
    guard = make(Tracking(trackers=("broken", "tensorboard")), tmp_path)
    guard.finish("FAILED")

    assert list(guard.failures) == ["broken"]


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
