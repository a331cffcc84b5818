"""What a run reports is in MLflow afterwards, read back through MLflow's own client."""

import json
import logging
import math
import os
from pathlib import Path
from typing import Any

import pytest

from burnish.errors import TrackerError
from burnish.tracking.base import DatasetInfo, RunInfo
from burnish.tracking.mlflow import MlflowTracker
from burnish.tracking.mlflow.store import open_store


@pytest.fixture
def client(store_uri: str) -> Any:
    return open_store(store_uri).client


@pytest.fixture
def tracker(store_uri: str, run_info: RunInfo) -> Any:
    tracker = MlflowTracker(store_uri, system_metrics=False)
    tracker.start(run_info)
    yield tracker
    tracker.finish("KILLED")


def test_a_run_has_name_description_tags_and_status(
    tracker: MlflowTracker, client: Any, run_info: RunInfo
) -> None:
    running = client.get_run(tracker.run_id).info.status
    tracker.finish("FINISHED")
    run = client.get_run(tracker.run_id)

    assert (running, run.info.status, run.info.run_name) == ("RUNNING", "FINISHED", "clauses")
    assert run.data.tags["mlflow.note.content"] == "first try"
    assert run.data.tags["burnish.seed"] == "0"
    assert run.data.tags["burnish.folder"] == str(run_info.folder)
    assert tracker.reference == f"runs:/{tracker.run_id}"


def test_every_metric_value_is_kept_at_its_step(tracker: MlflowTracker, client: Any) -> None:
    for step in range(1500):
        tracker.log_metrics({"train/loss": 1 / (step + 1), "learning_rate": 0.1}, step=step)
    tracker.finish("FINISHED")
    history = client.get_metric_history(tracker.run_id, "train/loss")

    assert [(m.step, m.value) for m in history] == [(s, 1 / (s + 1)) for s in range(1500)]
    assert len(client.get_metric_history(tracker.run_id, "learning_rate")) == 1500


def test_numbers_that_are_not_finite_are_left_out_and_told(
    tracker: MlflowTracker, client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for step, value in enumerate([0.5, math.nan, math.inf]):
        tracker.log_metrics({"train/loss": value}, step=step)
    tracker.finish("FINISHED")
    run = client.get_run(tracker.run_id)

    assert run.data.metrics == {"train/loss": 0.5}
    assert json.loads(run.data.tags["burnish.not_finite"]) == {"train/loss": 2}
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "metric train/loss is nan at step 1: left out of MLflow"
    ]


def test_metric_names_that_mlflow_refuses_are_made_acceptable(
    tracker: MlflowTracker, client: Any
) -> None:
    tracker.log_metrics({"f1/Lösung (a)": 1.0, "x" * 300: 2.0}, step=0)
    tracker.finish("FINISHED")

    assert client.get_run(tracker.run_id).data.metrics == {"f1/L_sung _a_": 1.0, "x" * 250: 2.0}


def test_parameters_are_written_as_in_the_recipe_however_many(
    tracker: MlflowTracker, client: Any
) -> None:
    tracker.log_params({f"key.{n}": n for n in range(250)} | {"none": None, "yes": True})
    params = client.get_run(tracker.run_id).data.params

    assert len(params) == 252
    assert (params["key.249"], params["none"], params["yes"]) == ("249", "null", "true")


def test_a_parameter_too_long_for_mlflow_is_whole_in_an_artifact(
    tracker: MlflowTracker, client: Any
) -> None:
    tracker.log_params({"labels": "x" * 7000})
    param = client.get_run(tracker.run_id).data.params["labels"]
    whole = Path(client.download_artifacts(tracker.run_id, "params.json"))

    assert len(param) == 6000
    assert param.endswith("… (cut; whole in params.json)")
    assert json.loads(whole.read_text("utf-8")) == {"labels": "x" * 7000}


def test_a_folder_fills_the_one_named_or_keeps_its_own_name(
    tracker: MlflowTracker, client: Any, tmp_path: Path
) -> None:
    epoch = tmp_path / "checkpoints" / "epoch-3"
    epoch.mkdir(parents=True)
    (epoch / "weights.safetensors").write_bytes(b"w")
    tracker.log_file(epoch.parent, folder="checkpoints")
    tracker.log_file(epoch, folder="other/name")
    tracker.log_file(epoch)
    tracker.log_file(epoch / "weights.safetensors")
    root = Path(client.download_artifacts(tracker.run_id, ""))

    kept = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert kept == {
        "checkpoints/epoch-3/weights.safetensors",
        "other/name/weights.safetensors",
        "epoch-3/weights.safetensors",
        "weights.safetensors",
    }
    assert root.is_relative_to(tmp_path / "burnish-artifacts")


def test_an_absent_file_is_told_by_its_path(tracker: MlflowTracker, tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match=r"absent\.html is not kept: FileNotFoundError"):
        tracker.log_file(tmp_path / "absent.html")


def test_a_split_is_a_data_set_with_digest_rows_and_columns(
    tracker: MlflowTracker, client: Any
) -> None:
    tracker.log_dataset(
        DatasetInfo(
            split="validation",
            source="data/validation.jsonl",
            digest="0123456789abcdef" * 4,
            rows=2275,
            columns={"text": "string"},
        )
    )
    (used,) = client.get_run(tracker.run_id).inputs.dataset_inputs

    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "validation"}
    assert used.dataset.name == "validation.jsonl:validation"
    assert used.dataset.digest == ("0123456789abcdef" * 4)[:36]
    assert json.loads(used.dataset.profile) == {"num_rows": 2275, "sha256": "0123456789abcdef" * 4}
    assert json.loads(used.dataset.schema)["mlflow_colspec"][0]["name"] == "text"


def test_system_use_is_recorded_under_the_names_mlflows_page_shows(
    store_uri: str, client: Any, run_info: RunInfo
) -> None:
    tracker = MlflowTracker(store_uri, system_every_s=0.05)
    tracker.start(run_info)
    tracker.finish("FINISHED")
    metrics = client.get_run(tracker.run_id).data.metrics

    assert {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/disk_usage_percentage",
        "system/network_receive_megabytes",
    } <= set(metrics)


def test_a_resumed_run_goes_on_and_keeps_the_parameters_it_has(
    store_uri: str, tracker: MlflowTracker, client: Any, run_info: RunInfo
) -> None:
    tracker.log_params({"training.epochs": 3})
    tracker.log_metrics({"loss": 2.0}, step=1)
    tracker.finish("KILLED")
    again = MlflowTracker(store_uri, system_metrics=False)
    again.start(RunInfo(name="x", folder=run_info.folder, experiment="y", run_id=tracker.run_id))
    again.log_params({"training.epochs": 5, "resumed": True})
    again.log_metrics({"loss": 1.0}, step=2)
    again.finish("FINISHED")
    run = client.get_run(tracker.run_id)

    assert again.run_id == tracker.run_id
    assert (run.info.status, run.info.run_name) == ("FINISHED", "clauses")
    assert run.data.params == {"training.epochs": "3", "resumed": "true"}
    assert [m.value for m in client.get_metric_history(tracker.run_id, "loss")] == [2.0, 1.0]


def test_a_run_that_goes_on_from_a_checkpoint_has_no_gap_and_no_double(
    store_uri: str, tracker: MlflowTracker, client: Any, run_info: RunInfo
) -> None:
    def epoch(number: int) -> list[tuple[int, dict[str, float]]]:
        """Return what an epoch tells: each step, and at the last one the epoch too."""
        end = 3 * number
        told = [(step, {"train/loss_step": 1 / step}) for step in range(end - 2, end + 1)]
        return [*told, (end, {"train/loss": 9.0 + number})]

    lost = {4, 5}
    for step, metrics in [*epoch(1), *epoch(2), *epoch(3)[:2]]:
        if step not in lost:
            tracker.log_metrics(metrics, step=step)
    tracker.finish("KILLED")
    again = MlflowTracker(store_uri, system_metrics=False)
    again.start(RunInfo(name="x", folder=run_info.folder, experiment="y", run_id=tracker.run_id))
    again.go_on([*epoch(1), *epoch(2)], step=6)
    for step, metrics in epoch(3):
        again.log_metrics(metrics, step=step)
    again.finish("FINISHED")
    kept = {
        name: sorted((m.step, m.value) for m in client.get_metric_history(tracker.run_id, name))
        for name in ("train/loss_step", "train/loss")
    }

    assert kept["train/loss_step"] == [(step, 1 / step) for step in range(1, 10)]
    assert kept["train/loss"] == [(3, 10.0), (6, 11.0), (9, 12.0)]


def test_what_was_told_is_in_the_store_once_asked_for(tracker: MlflowTracker, client: Any) -> None:
    tracker.log_metrics({"loss": 2.0}, step=1)
    tracker.flush()

    assert [m.step for m in client.get_metric_history(tracker.run_id, "loss")] == [1]


def test_system_samples_of_a_resumed_run_are_numbered_on(
    store_uri: str, client: Any, run_info: RunInfo
) -> None:
    run_id = None
    for _ in range(3):
        tracker = MlflowTracker(store_uri, system_every_s=60)
        folder = run_info.folder
        tracker.start(RunInfo(name="x", folder=folder, experiment="y", run_id=run_id))
        run_id = tracker.run_id
        tracker.finish("FINISHED")
    samples = client.get_metric_history(run_id, "system/disk_usage_percentage")

    assert [sample.step for sample in samples] == [0, 1, 2]


def test_a_deleted_experiment_is_told_with_the_command_that_restores_it(
    store_uri: str, client: Any, run_info: RunInfo
) -> None:
    client.delete_experiment(client.create_experiment("unfair-tos"))
    with pytest.raises(TrackerError, match="was deleted") as told:
        MlflowTracker(store_uri).start(run_info)

    assert "mlflow experiments restore" in told.value.fix


def test_nothing_is_left_behind_in_the_environment_or_the_current_folder(
    tracker: MlflowTracker, client: Any, tmp_path: Path
) -> None:
    tracker.log_metrics({"loss": 1.0}, step=0)
    tracker.finish("FINISHED")

    assert not [name for name in os.environ if name.startswith("MLFLOW_")]
    assert {path.name for path in tmp_path.iterdir()} <= {
        "burnish.db",
        "burnish.db.lock",
        "burnish-artifacts",
        "runs",
    }


def test_reporting_outside_a_run_is_refused(store_uri: str) -> None:
    tracker = MlflowTracker(store_uri)
    with pytest.raises(TrackerError, match="no run is open"):
        tracker.log_params({})
    tracker.finish("FINISHED")
