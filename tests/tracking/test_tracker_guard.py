"""A tracker that fails never ends a run."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from burnish.tracking.base import DatasetInfo, MemoryTracker, ModelInfo, RunInfo, Status
from burnish.tracking.guard import GuardedTracker
from burnish.tracking.mlflow import MlflowTracker

DATASET = DatasetInfo(split="train", source="x", digest="0" * 64, rows=1, columns={})
CALLS: dict[str, Callable[[GuardedTracker, RunInfo, ModelInfo], None]] = {
    "start": lambda guard, run, _: guard.start(run),
    "log_params": lambda guard, _, __: guard.log_params({"a": 1}),
    "log_metrics": lambda guard, _, __: guard.log_metrics({"loss": 1.0}, step=7),
    "log_file": lambda guard, run, _: guard.log_file(run.folder, folder="x"),
    "log_dataset": lambda guard, _, __: guard.log_dataset(DATASET),
    "log_model": lambda guard, _, model: guard.log_model(model),
    "finish": lambda guard, _, __: guard.finish("FINISHED"),
}


class Failing(MemoryTracker):
    """Keeps what it is told until one method, which raises."""

    def __init__(self, method: str, error: BaseException) -> None:
        super().__init__()

        def fail(*_: object, **__: object) -> None:
            raise error

        setattr(self, method, fail)


def tell_all(guard: GuardedTracker, run: RunInfo, model: ModelInfo) -> None:
    for call in CALLS.values():
        call(guard, run, model)


@pytest.mark.parametrize("method", CALLS)
def test_a_failure_of_any_method_silences_that_tracker_and_no_other(
    method: str, run_info: RunInfo, model_info: ModelInfo, caplog: pytest.LogCaptureFixture
) -> None:
    sound = MemoryTracker()
    guard = GuardedTracker({"broken": Failing(method, RuntimeError("boom")), "sound": sound})
    with caplog.at_level(logging.WARNING):
        tell_all(guard, run_info, model_info)
        tell_all(guard, run_info, model_info)

    assert len(caplog.records) == 1
    assert "tracker broken is silenced" in caplog.text
    assert guard.failures == {"broken": "RuntimeError: boom"}
    assert (len(sound.metrics), len(sound.models), sound.status) == (2, 2, "FINISHED")


def test_the_warning_says_what_was_lost_and_where_it_still_is(
    run_info: RunInfo, caplog: pytest.LogCaptureFixture
) -> None:
    guard = GuardedTracker({"broken": Failing("log_metrics", OSError("no space"))})
    guard.log_metrics({"loss": 1.0}, step=40)

    assert "metrics of step 40, and all that follows, is not kept there" in caplog.text
    assert "the run folder has it. Cause: OSError: no space" in caplog.text


def test_a_silenced_tracker_is_still_closed_because_it_holds_threads_and_files(
    run_info: RunInfo,
) -> None:
    broken = Failing("log_params", ValueError("odd"))
    guard = GuardedTracker({"broken": broken})
    guard.start(run_info)
    guard.log_params({})
    guard.log_metrics({"loss": 1.0}, step=1)
    guard.finish("FAILED")

    assert (broken.metrics, broken.status) == ([], "FAILED")


def test_stopping_by_keyboard_goes_through(run_info: RunInfo) -> None:
    guard = GuardedTracker({"any": Failing("start", KeyboardInterrupt())})
    with pytest.raises(KeyboardInterrupt):
        guard.start(run_info)


def test_references_leave_out_trackers_that_failed_or_have_none(run_info: RunInfo) -> None:
    class Placed(MemoryTracker):
        reference = "runs:/1"

    guard = GuardedTracker({"a": Placed(), "b": MemoryTracker(), "c": Placed()})
    guard.failures["c"] = "gone"

    assert guard.references() == {"a": "runs:/1"}


class Unfindable(MemoryTracker):
    @property
    def reference(self) -> str:
        raise RuntimeError("gone")


def test_a_tracker_that_cannot_say_where_it_keeps_the_run_is_silenced(run_info: RunInfo) -> None:
    guard = GuardedTracker({"broken": Unfindable(), "sound": MemoryTracker()})
    guard.start(run_info)

    assert guard.references() == {}
    assert guard.failures == {"broken": "RuntimeError: gone"}


def test_a_server_that_is_not_there_costs_a_run_seconds_and_one_warning(
    run_info: RunInfo, model_info: ModelInfo, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: a connection is refused
        uri = f"http://127.0.0.1:{taken.getsockname()[1]}"
        guard = GuardedTracker({"mlflow": MlflowTracker(uri)})
        begun = time.perf_counter()
        tell_all(guard, run_info, model_info)

    assert time.perf_counter() - begun < 5
    assert len(caplog.records) == 1
    assert f"no tracking server answers: Connection refused\n  where: {uri}" in caplog.text


@contextmanager
def mute_server() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_server_that_never_answers_is_given_up_after_a_bounded_time(
    run_info: RunInfo,
    model_info: ModelInfo,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with mute_server() as uri:
        guard = GuardedTracker({"mlflow": MlflowTracker(uri)})
        begun = time.perf_counter()
        tell_all(guard, run_info, model_info)
        took_s = time.perf_counter() - begun

    # Two tries of a second with a pause between; the import of mlflow may be in it too.
    assert took_s < 20
    assert caplog.text.count("tracker mlflow is silenced") == 1
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "1"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


def test_a_store_that_may_not_be_written_is_told_with_its_path(
    tmp_path: Path, run_info: RunInfo, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    guard = GuardedTracker({"mlflow": MlflowTracker(f"sqlite:///{tmp_path}/file/burnish.db")})
    guard.start(run_info)

    assert f"where: sqlite:///{tmp_path}/file/burnish.db" in caplog.text
    assert "`tracking.trackers: []`" in caplog.text


def test_only_trackers_that_can_are_asked_to_send_what_waits_and_to_go_on() -> None:
    class Keeping(MemoryTracker):
        def __init__(self) -> None:
            super().__init__()
            self.asked: list[Any] = []

        def flush(self) -> None:
            self.asked.append("flush")

        def go_on(self, history: Any, *, step: int) -> None:
            self.asked.append((history, step))

    able, plain = Keeping(), MemoryTracker()
    guard = GuardedTracker({"plain": plain, "able": able})
    guard.flush()
    guard.go_on([(1, {"loss": 2.0})], step=1)

    assert able.asked == ["flush", ([(1, {"loss": 2.0})], 1)]
    assert plain.metrics == []
    assert guard.failures == {}


def test_the_guard_is_itself_a_tracker(run_info: RunInfo) -> None:
    status: Status = "KILLED"
    kept = MemoryTracker()
    outer = GuardedTracker({"inner": GuardedTracker({"memory": kept})})
    outer.start(run_info)
    params: Mapping[str, int] = {"seed": 0}
    outer.log_params(params)
    outer.finish(status)

    assert (kept.run, kept.params, kept.status) == (run_info, {"seed": 0}, "KILLED")
