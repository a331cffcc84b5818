"""The same over HTTP, against the real server that `burnish ui` starts."""

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.errors import TrackerError
from burnish.tracking.base import ModelInfo, RunInfo
from burnish.tracking.guard import GuardedTracker
from burnish.tracking.mlflow import (
    MlflowTracker,
    checkpoint,
    download,
    ui_command,
    ui_environment,
)
from burnish.tracking.mlflow.store import open_store


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture(scope="module")
def server(
    migrated_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """A server that keeps artifacts itself, so that clients see `mlflow-artifacts:` addresses."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(migrated_store, folder / "burnish.db")
    port = free_port()
    command = ui_command(f"sqlite:///{folder}/burnish.db", port=port)
    where = command.index("--default-artifact-root")
    command[where : where + 2] = ["--artifacts-destination", str(folder / "kept")]
    uri = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=ui_environment(), cwd=folder, stdout=log, stderr=log
        )
        try:
            wait_until_up(uri, process, folder / "log")
            yield uri, process
        finally:
            process.terminate()
            process.wait(30)


def wait_until_up(uri: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=1):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    pytest.fail(f"the server did not come up: {log.read_text()[-2000:]}")


def test_a_run_is_kept_by_a_server_and_its_model_comes_back_into_the_cache(
    server: tuple[str, "subprocess.Popen[bytes]"],
    run_info: RunInfo,
    model_info: ModelInfo,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uri, process = server
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tracker = MlflowTracker(uri)
    tracker.start(run_info)
    tracker.log_params({"seed": 0})
    tracker.log_metrics({"train/loss": 0.5}, step=1)
    (run_info.folder / "epoch-1").mkdir()
    (run_info.folder / "epoch-1" / "config.json").write_text("{}")
    tracker.log_file(run_info.folder / "epoch-1", folder="checkpoints/epoch-1")
    tracker.log_model(model_info)
    tracker.finish("FINISHED")
    assert tracker.run_id is not None

    run = open_store(uri).client.get_run(tracker.run_id)
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    assert (run.data.params, run.data.metrics["train/loss"]) == ({"seed": "0"}, 0.5)

    first = download("models:/unfair-tos@champion", uri)
    assert first.is_relative_to(tmp_path / "cache")
    assert (first / "burnish.json").read_text() == '{"suffix": "!"}'
    assert [p.name for p in checkpoint(tracker.run_id, 1, uri).iterdir()] == ["config.json"]

    touched = (first / "config.json").stat().st_mtime_ns
    assert download("models:/unfair-tos/1", uri) == first
    assert (first / "config.json").stat().st_mtime_ns == touched
    assert not list((tmp_path / "cache").rglob(".arriving-*"))

    the_server_dies_in_the_middle_of_a_run(uri, process, run_info)


def the_server_dies_in_the_middle_of_a_run(
    uri: str, process: "subprocess.Popen[bytes]", run_info: RunInfo
) -> None:
    """Part of the one test, because starting a server takes longer than all the rest."""
    guard = GuardedTracker({"mlflow": MlflowTracker(uri, system_metrics=False)})
    guard.start(run_info)
    process.terminate()
    process.wait(30)
    begun = time.monotonic()
    for step in range(20):
        guard.log_metrics({"train/loss": 1.0}, step=step)
        time.sleep(0.01)
    logged_s = time.monotonic() - begun
    guard.finish("FINISHED")

    assert logged_s < 2
    assert time.monotonic() - begun < 60
    assert "mlflow" in guard.failures
    with pytest.raises(TrackerError, match="no tracking server answers"):
        download("models:/unfair-tos@champion", uri)
