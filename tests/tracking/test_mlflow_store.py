"""Opening a store: safe for several processes, quiet, and clear when it cannot be."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from burnish.errors import TrackerError
from burnish.tracking.mlflow import download, ui_command, ui_environment
from burnish.tracking.mlflow.store import (
    absolute_uri,
    artifact_root,
    environment,
    import_mlflow,
    open_store,
    shown,
)

# One process imports and then becomes three, so that they reach the store at the same moment.
FIRST_USE = """
import os, sys
from pathlib import Path
from burnish.tracking.base import RunInfo
from burnish.tracking.mlflow import MlflowTracker
from burnish.tracking.mlflow.store import import_mlflow

import_mlflow()
import mlflow.store.tracking.sqlalchemy_store

def first_use(name):
    tracker = MlflowTracker("sqlite:///burnish.db", system_metrics=False)
    tracker.start(RunInfo(name=name, folder=Path("x"), experiment="shared"))
    tracker.log_metrics({"loss": 1.0}, step=0)
    tracker.finish("FINISHED")

children = []
for name in ("one", "two", "three"):
    child = os.fork()
    if child == 0:
        first_use(name)
        sys.exit(0)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_three_processes_may_use_a_fresh_store_first_at_once(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", FIRST_USE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")  # and no notices of MLflow
    client = open_store(f"sqlite:///{tmp_path}/burnish.db").client
    experiment = client.get_experiment_by_name("shared")
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == {"one", "two", "three"}
    assert all(run.data.metrics == {"loss": 1.0} for run in runs)


def test_a_relative_store_lies_where_the_run_began_with_its_artifacts_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert absolute_uri("sqlite:///burnish.db") == f"sqlite:///{tmp_path}/burnish.db"
    assert artifact_root("sqlite:///burnish.db") == tmp_path / "burnish-artifacts"


@pytest.mark.parametrize(
    "uri", ["http://host:1/x", "sqlite://", "sqlite:///:memory:", "databricks"]
)
def test_other_uris_are_left_as_they_are(uri: str) -> None:
    assert absolute_uri(uri) == uri


def test_reading_makes_no_store_where_there_is_none(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/absent.db"
    with pytest.raises(TrackerError, match=r"BN403.*there is no MLflow store") as told:
        download("models:/x@champion", uri)

    assert str(tmp_path / "absent.db") in told.value.where
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_told_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "burnish.db").write_text("not a database, but long enough to look at" * 10)
    with pytest.raises(TrackerError, match="not a database") as told:
        open_store(f"sqlite:///{tmp_path}/burnish.db")

    assert told.value.where == f"sqlite:///{tmp_path}/burnish.db"


def test_a_folder_store_of_old_is_refused_with_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match=r"tracking\.uri"):
        open_store(str(tmp_path / "mlruns"))


def test_passwords_are_not_shown() -> None:
    assert shown("postgresql://me:secret@db/x") == "postgresql://me:***@db/x"
    assert shown("sqlite:///burnish.db") == "sqlite:///burnish.db"


def test_variables_the_user_has_set_stay_and_others_vanish(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BURNISH_A", "theirs")
    with environment({"BURNISH_A": "ours", "BURNISH_B": "ours"}):
        inside = (os.environ["BURNISH_A"], os.environ["BURNISH_B"])

    assert inside == ("theirs", "ours")
    assert (os.environ["BURNISH_A"], "BURNISH_B" in os.environ) == ("theirs", False)


def test_mlflow_is_imported_without_usage_reports() -> None:
    mlflow = import_mlflow()

    assert mlflow.telemetry.get_telemetry_client() is None
    assert "MLFLOW_DISABLE_TELEMETRY" not in os.environ
    assert logging.getLogger("mlflow").level == logging.ERROR


def test_the_page_is_served_to_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ui_command("sqlite:///burnish.db", port=5001)

    options = dict(zip(command[4::2], command[5::2], strict=True))
    assert command[:4] == [sys.executable, "-m", "mlflow", "server"]
    assert options["--host"] == "127.0.0.1"
    assert options["--backend-store-uri"] == f"sqlite:///{tmp_path}/burnish.db"
    assert options["--default-artifact-root"] == (tmp_path / "burnish-artifacts").as_uri()
    assert ui_environment()["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_server_needs_no_page_of_ours() -> None:
    with pytest.raises(TrackerError, match=r"open http://me:\*\*\*@host:5000 in a browser"):
        ui_command("http://me:secret@host:5000")
