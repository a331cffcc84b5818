"""What holds for every registered tracker, and for the one in memory."""

from pathlib import Path

import pytest

from burnish.recipe.evaluation import Tracking
from burnish.tracking.base import DatasetInfo, MemoryTracker, ModelInfo, RunInfo, Tracker
from burnish.tracking.guard import Referable
from burnish.tracking.table import TRACKERS

LOADER = """
import mlflow
import pandas as pd


class Same(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        return [{"answer": []} for _ in model_input["text"]]


mlflow.models.set_model(Same())
"""
NAMES = ["memory", *TRACKERS.names()]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One current folder for all cases: a fresh MLflow store takes more than a second."""
    return tmp_path_factory.mktemp("trackers")


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> RunInfo:
    monkeypatch.chdir(home)
    folder = home / "runs" / request.node.name.replace("/", "-")
    folder.mkdir(parents=True)
    return RunInfo(name="contract", folder=folder, experiment="contract")


def made(name: str, folder: Path) -> Tracker:
    if name == "memory":
        return MemoryTracker()
    return TRACKERS.get(name)(Tracking(system_metrics=False), folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_run_can_be_reported(name: str, run: RunInfo) -> None:
    (run.folder / "model").mkdir()
    (run.folder / "model" / "config.json").write_text("{}")
    (run.folder / "loader.py").write_text(LOADER)
    tracker = made(name, run.folder)
    tracker.start(run)
    tracker.log_params({"text": "é|\n", "int": 1, "float": 0.5, "bool": True, "none": None})
    tracker.log_metrics({"train/loss": 0.5, "validation/macro_f1": 0.7}, step=1)
    tracker.log_metrics({}, step=2)
    tracker.log_file(run.folder / "loader.py", folder="a/b")
    tracker.log_file(run.folder / "model")
    tracker.log_dataset(
        DatasetInfo(split="train", source="x", digest="0" * 64, rows=0, columns={"text": "String"})
    )
    tracker.log_model(
        ModelInfo(
            folder=run.folder / "model",
            loader=run.folder / "loader.py",
            input_example=["a"],
            output_example=[{"answer": []}],
            metadata={},
        )
    )
    tracker.finish("FINISHED")


@pytest.mark.parametrize("name", NAMES)
def test_numbers_that_are_not_finite_are_no_failure(name: str, run: RunInfo) -> None:
    tracker = made(name, run.folder)
    tracker.start(run)
    for value in (float("nan"), float("inf"), float("-inf")):
        tracker.log_metrics({"train/loss": value}, step=1)
    tracker.finish("FAILED")


@pytest.mark.parametrize("name", NAMES)
def test_finishing_twice_and_before_the_start_is_no_failure(name: str, run: RunInfo) -> None:
    made(name, run.folder).finish("KILLED")
    tracker = made(name, run.folder)
    tracker.start(run)
    tracker.finish("FINISHED")
    tracker.finish("FINISHED")


@pytest.mark.parametrize("name", TRACKERS.names())
def test_a_started_tracker_says_where_the_run_is_found_again(name: str, run: RunInfo) -> None:
    tracker = made(name, run.folder)
    assert isinstance(tracker, Referable)
    assert tracker.reference == ""
    tracker.start(run)
    assert tracker.reference
    tracker.finish("FINISHED")
