"""Event files hold what a run said, read back by TensorBoard's own reader."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from burnish.errors import TrackerError
from burnish.recipe.evaluation import Tracking
from burnish.tracking.base import DatasetInfo, ModelInfo, RunInfo
from burnish.tracking.tensorboard import TensorBoardTracker, from_recipe


def read(folder: Path) -> Any:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def text(events: Any, tag: str) -> str:
    return str(events.Tensors(tag)[0].tensor_proto.string_val[0].decode())


def test_every_metric_is_read_back_at_its_step(tmp_path: Path, run_info: RunInfo) -> None:
    tracker = TensorBoardTracker(tmp_path / "tb")
    tracker.start(run_info)
    for step in range(250):
        tracker.log_metrics({"train/loss": 1 / (step + 1), "learning_rate": 0.1}, step=step)
    tracker.finish("FINISHED")

    scalars = read(tmp_path / "tb").Scalars("train/loss")
    assert [scalar.step for scalar in scalars] == list(range(250))
    assert scalars[3].value == pytest.approx(0.25)


def test_parameters_data_files_and_model_are_told_as_text(
    tmp_path: Path, run_info: RunInfo, model_info: ModelInfo
) -> None:
    tracker = TensorBoardTracker(tmp_path / "tb")
    tracker.start(run_info)
    tracker.log_params({"task.kind": "a|b", "seed": 0, "frozen": None})
    tracker.log_dataset(
        DatasetInfo(split="train", source="x.jsonl", digest="ab" * 32, rows=7, columns={"a": "str"})
    )
    tracker.log_file(model_info.loader, folder="code")
    tracker.log_model(model_info)
    tracker.finish("FINISHED")

    events = read(tmp_path / "tb")
    assert "| task.kind | a\\|b |" in text(events, "params")
    assert "| frozen | null |" in text(events, "params")
    assert "ab" * 32 in text(events, "data/train")
    assert str(model_info.loader) in text(events, "files/code/loader.py")
    assert "WE MAY END IT!" in text(events, "model")
    assert "    layer  weights\n" in text(events, "model_summary")  # as it stands, in columns
    assert text(events, "description") == "first try"
    assert text(events, "status") == "FINISHED"
    assert "_hparams_/session_start_info" in events.summary_metadata


def test_a_resumed_run_goes_on_in_the_same_folder(tmp_path: Path, run_info: RunInfo) -> None:
    for step in (1, 2):
        tracker = TensorBoardTracker(tmp_path / "tb")
        tracker.start(run_info)
        tracker.log_metrics({"loss": float(step)}, step=step)
        tracker.finish("KILLED" if step == 1 else "FINISHED")

    assert len(list((tmp_path / "tb").iterdir())) == 2


def begun_an_hour_ago(folder: Path) -> None:
    """Readers follow the second in a file's name: two files of one second have no order."""
    (events,) = folder.iterdir()
    second = events.name.split(".")[3]
    events.rename(folder / events.name.replace(second, str(int(second) - 3600), 1))


def test_steps_after_the_checkpoint_are_there_once_when_they_come_again(
    tmp_path: Path, run_info: RunInfo
) -> None:
    killed = TensorBoardTracker(tmp_path / "tb")
    killed.start(run_info)
    for step in range(1, 9):
        killed.log_metrics({"loss": float(step)}, step=step)
    killed.flush()
    begun_an_hour_ago(tmp_path / "tb")
    again = TensorBoardTracker(tmp_path / "tb")
    again.start(run_info)
    again.go_on([(step, {"loss": float(step)}) for step in range(1, 6)], step=5)
    for step in (6, 7):
        again.log_metrics({"loss": 10.0 * step}, step=step)
    again.finish("FINISHED")
    events = read(tmp_path / "tb")

    assert [(one.step, one.value) for one in events.Scalars("loss")] == [
        (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 60), (7, 70),
    ]  # fmt: skip
    assert text(events, "status") == "FINISHED"


def test_what_was_told_is_in_the_file_once_asked_for(tmp_path: Path, run_info: RunInfo) -> None:
    tracker = TensorBoardTracker(tmp_path / "tb")
    tracker.start(run_info)
    tracker.log_metrics({"loss": 2.0}, step=1)
    tracker.flush()

    assert [one.step for one in read(tmp_path / "tb").Scalars("loss")] == [1]
    tracker.finish("KILLED")


def test_the_recipe_names_the_folder_and_the_run_names_its_own_inside() -> None:
    tracker = from_recipe(Tracking(folder="tb"), Path("runs/20260101T000000Z-clauses"))

    assert tracker.folder == Path("tb/20260101T000000Z-clauses").absolute()


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_key(
    tmp_path: Path, run_info: RunInfo
) -> None:
    (tmp_path / "tb").write_text("a file")
    with pytest.raises(TrackerError, match=r"BN403.*\n.*tb/run\n.*tracking\.folder"):
        TensorBoardTracker(tmp_path / "tb" / "run").start(run_info)


def test_reporting_before_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackerError, match="no run is open"):
        TensorBoardTracker(tmp_path).log_metrics({"a": 1.0}, step=0)
