"""A model or checkpoint that was kept in MLflow comes back and answers the same."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from burnish.errors import TrackerError
from burnish.tracking.base import ModelInfo, RunInfo
from burnish.tracking.mlflow import MlflowTracker, checkpoint, checkpoints, download
from burnish.tracking.mlflow.store import import_mlflow, open_store


@pytest.fixture
def run_id(store_uri: str, run_info: RunInfo, model_info: ModelInfo) -> str:
    """A finished run that registered its model and kept three checkpoints."""
    tracker = MlflowTracker(store_uri, system_metrics=False)
    tracker.start(run_info)
    tracker.log_model(model_info)
    for name in ("epoch-10", "epoch-2", "best"):
        folder = run_info.folder / "checkpoints" / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(f'"{name}"')
        tracker.log_file(folder, folder=f"checkpoints/{name}")
    tracker.finish("FINISHED")
    assert tracker.run_id is not None
    return tracker.run_id


@pytest.fixture
def global_store(store_uri: str) -> Iterator[Any]:
    """MLflow as its own users call it: with a global tracking URI."""
    mlflow = import_mlflow()
    mlflow.set_tracking_uri(store_uri)
    mlflow.set_registry_uri(store_uri)
    yield mlflow
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)
    os.environ.pop("MLFLOW_REGISTRY_URI", None)  # which MLflow sets and forgets


@pytest.mark.parametrize(
    "uri",
    [
        "models:/unfair-tos@champion",
        "models:/unfair-tos/1",
        "models:/unfair-tos/latest",
        "runs:/{run_id}/model",
        "runs:/{run_id}/model/artifacts/model",
    ],
)
def test_every_address_of_the_model_gives_its_folder(
    uri: str, run_id: str, store_uri: str, model_info: ModelInfo
) -> None:
    folder = download(uri.format(run_id=run_id), store_uri)

    kept = {path.name: path.read_bytes() for path in model_info.folder.iterdir()}
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == kept


def test_mlflow_loads_the_registered_model_and_it_answers_as_before(
    run_id: str, model_info: ModelInfo, global_store: Any
) -> None:
    loaded = global_store.pyfunc.load_model("models:/unfair-tos@champion")

    answers = loaded.predict(pd.DataFrame({"text": model_info.input_example}))
    assert answers == model_info.output_example
    assert loaded.metadata.metadata == {"labels": ["unfair"]}
    assert loaded.metadata.run_id == run_id
    assert loaded.metadata.signature.inputs.to_dict() == [
        {"type": "string", "name": "text", "required": True}
    ]
    assert loaded.input_example["text"].tolist() == model_info.input_example


def test_what_is_kept_holds_no_pickle_and_exact_requirements(run_id: str, store_uri: str) -> None:
    root = download("models:/unfair-tos@champion", store_uri).parents[1]

    described = yaml.safe_load((root / "MLmodel").read_text())["flavors"]["python_function"]
    assert described["loader_module"] == "mlflow.pyfunc.loaders.code_model"
    assert not [*root.rglob("*.pkl"), *root.rglob("*.pickle"), *root.rglob("uv.lock")]
    required = (root / "requirements.txt").read_text().split()
    assert all("==" in line and "+" not in line for line in required)


def test_what_a_model_consists_of_is_read_beside_it_and_in_its_run(
    run_id: str, store_uri: str, model_info: ModelInfo
) -> None:
    root = download("models:/unfair-tos@champion", store_uri).parents[1]
    of_run = open_store(store_uri).client.download_artifacts(run_id, "model_summary.txt")

    assert (root / "model_summary.txt").read_text("utf-8") == model_info.summary
    assert Path(of_run).read_text("utf-8") == model_info.summary


def test_the_alias_moves_to_the_newest_version_that_asks_for_it(
    run_id: str, store_uri: str, run_info: RunInfo, model_info: ModelInfo
) -> None:
    (model_info.folder / "burnish.json").write_text('{"suffix": "?"}')
    tracker = MlflowTracker(store_uri, system_metrics=False)
    tracker.start(run_info)
    tracker.log_model(dataclasses.replace(model_info, aliases=()))
    champion = download("models:/unfair-tos@champion", store_uri)
    tracker.log_model(dataclasses.replace(model_info, aliases=("champion",)))
    tracker.finish("FINISHED")

    assert "!" in (champion / "burnish.json").read_text()
    assert "?" in (download("models:/unfair-tos@champion", store_uri) / "burnish.json").read_text()
    assert "!" in (download("models:/unfair-tos/1", store_uri) / "burnish.json").read_text()


def test_a_loader_that_does_not_run_leaves_a_failed_model_and_a_named_cause(
    store_uri: str, run_info: RunInfo, model_info: ModelInfo
) -> None:
    model_info.loader.write_text("raise RuntimeError('no such class')")
    tracker = MlflowTracker(store_uri, system_metrics=False)
    tracker.start(run_info)
    with pytest.raises(TrackerError, match=r"the model is not kept.*no such class"):
        tracker.log_model(model_info)
    tracker.finish("FINISHED")

    client = open_store(store_uri).client
    assert client.search_registered_models() == []


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("models:/unfair-tos@nobody", "unfair-tos has versions 1; aliases champion"),
        ("models:/unfair-tos/9", "unfair-tos has versions 1; aliases champion"),
        ("models:/unfair-toss@champion", "registered: unfair-tos"),
        ("models:/it's/latest", "registered: unfair-tos"),
        ("models:/unfair-tos", "unfair-tos has versions 1"),
        ("runs:/0123/model", "Run with id=0123 not found"),
        ("runs:/{run_id}/nothing", "no artifact folder and no model 'nothing'"),
        ("runs:/{run_id}/checkpoints", "holds no model folder"),
        ("mlflow:/x", "no address of a model"),
    ],
)
def test_a_wrong_address_is_answered_with_what_there_is(
    uri: str, words: str, run_id: str, store_uri: str
) -> None:
    uri = uri.format(run_id=run_id)
    with pytest.raises(TrackerError, match="BN403") as told:
        download(uri, store_uri)

    assert uri in told.value.what or run_id in told.value.what
    assert words in told.value.what
    assert told.value.fix


def test_files_that_were_removed_from_the_store_are_told(run_id: str, store_uri: str) -> None:
    root = download("models:/unfair-tos@champion", store_uri).parents[1]
    root.rename(root.with_name("gone"))
    with pytest.raises(TrackerError, match="which is not there"):
        download("models:/unfair-tos@champion", store_uri)


def test_an_artifact_path_that_leads_outside_is_not_followed(run_id: str, store_uri: str) -> None:
    folder = download("models:/unfair-tos@champion", store_uri)
    described = folder.parents[1] / "MLmodel"
    described.write_text(described.read_text().replace("artifacts/model", "../../../../../runs"))
    with pytest.raises(TrackerError, match="holds no model folder"):
        download("models:/unfair-tos@champion", store_uri)


def test_checkpoints_are_listed_in_the_order_of_epochs_and_each_can_be_fetched(
    run_id: str, store_uri: str
) -> None:
    assert checkpoints(run_id, store_uri) == ["best", "epoch-2", "epoch-10"]
    assert (checkpoint(run_id, 10, store_uri) / "config.json").read_text() == '"epoch-10"'
    assert (checkpoint(run_id, "best", store_uri) / "config.json").read_text() == '"best"'
    same = download(f"runs:/{run_id}/checkpoints/epoch-2", store_uri)
    assert (same / "config.json").read_text() == '"epoch-2"'


def test_an_epoch_is_found_by_its_number_however_many_zeros_it_is_kept_with(
    store_uri: str, run_info: RunInfo
) -> None:
    folder = run_info.folder / "checkpoints"
    (folder / "epoch-003").mkdir(parents=True)
    (folder / "epoch-003" / "config.json").write_text("3")
    (folder / "last.json").write_text("state, not a model")
    tracker = MlflowTracker(store_uri, system_metrics=False)
    tracker.start(run_info)
    tracker.log_file(folder, folder="checkpoints")
    tracker.finish("FINISHED")
    run_id = str(tracker.run_id)

    assert checkpoints(run_id, store_uri) == ["epoch-003"]
    assert (checkpoint(run_id, 3, store_uri) / "config.json").read_text() == "3"
    for name in ("epoch-3", "epoch-003"):
        found = download(f"runs:/{run_id}/checkpoints/{name}", store_uri)
        assert (found / "config.json").read_text() == "3"


def test_an_epoch_that_was_not_kept_is_answered_with_those_that_were(
    run_id: str, store_uri: str
) -> None:
    with pytest.raises(TrackerError, match=r"no checkpoint epoch-7; it has: best, epoch-2"):
        checkpoint(run_id, 7, store_uri)


def test_fetching_touches_no_other_store(run_id: str, store_uri: str, tmp_path: Path) -> None:
    download("models:/unfair-tos@champion", store_uri)
    checkpoints(run_id, store_uri)

    assert not list(tmp_path.glob("mlflow.db")) + list(tmp_path.glob("mlruns"))
