"""Stores, a model folder and a loader script for the tests of trackers."""

import json
import shutil
from pathlib import Path

import pytest

from burnish.tracking.base import ModelInfo, RunInfo
from burnish.tracking.mlflow.store import open_store

LOADER = """
import json
from pathlib import Path

import mlflow
import pandas as pd


class Loud(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        folder = Path(context.artifacts["model"])
        self.suffix = json.loads((folder / "burnish.json").read_text("utf-8"))["suffix"]

    def predict(self, context, model_input: pd.DataFrame, params=None):
        return [{"answer": [text.upper() + self.suffix]} for text in model_input["text"]]


mlflow.models.set_model(Loud())
"""


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store, migrated once: that takes more than a second."""
    path = tmp_path_factory.mktemp("store") / "burnish.db"
    open_store(f"sqlite:///{path}")
    return path


@pytest.fixture
def store_uri(migrated_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The relative URI of a store of its own, in the current folder."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(migrated_store, tmp_path / "burnish.db")
    return "sqlite:///burnish.db"


@pytest.fixture
def run_info(tmp_path: Path) -> RunInfo:
    folder = tmp_path / "runs" / "20260101T000000Z-clauses"
    folder.mkdir(parents=True)
    return RunInfo(
        name="clauses",
        folder=folder,
        experiment="unfair-tos",
        description="first try",
        tags={"burnish.seed": "0"},
    )


@pytest.fixture
def model_info(tmp_path: Path) -> ModelInfo:
    folder = tmp_path / "runs" / "20260101T000000Z-clauses" / "model"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "burnish.json").write_text(json.dumps({"suffix": "!"}), "utf-8")
    (folder / "config.json").write_text("{}", "utf-8")
    loader = tmp_path / "loader.py"
    loader.write_text(LOADER, "utf-8")
    return ModelInfo(
        folder=folder,
        loader=loader,
        input_example=["we may end it", "you own it"],
        output_example=[{"answer": ["WE MAY END IT!"]}, {"answer": ["YOU OWN IT!"]}],
        metadata={"labels": ["unfair"]},
        summary="layer  weights\nhead         8\n",
        registered_name="unfair-tos",
        aliases=("champion",),
    )
