"""Files of a run are written whole or not at all, and read back as they were."""

import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import RunFolderError, StorageError
from burnish.files import (
    atomic_writer,
    clear_unfinished,
    read_json,
    sha256,
    write_json,
    write_text,
)
from burnish.records import LedgerEntry, Prediction
from burnish.runfolder import RunFolder, read_predictions, write_predictions


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "scores.json"
    write_text(path, "old")

    def write_half() -> None:
        with atomic_writer(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_leaves_behind_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from burnish.files import atomic_writer, whole_folder
place, kind = Path(sys.argv[1]), sys.argv[2]
with (atomic_writer(place / "last-2.bin") if kind == "file" else whole_folder(place / "model")):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    kept = {"last-2.bin", "model", ".last-2.bin", ".note.to_self12", "other"}
    for name in kept:
        (tmp_path / name).write_text("kept", "utf-8")
    for kind in ("file", "folder"):
        subprocess.run([sys.executable, "-c", program, str(tmp_path), kind], check=False)
    assert len(list(tmp_path.iterdir())) == len(kept) + 2

    clear_unfinished(tmp_path, "last*", "model")

    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_folder_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / "file" / "below.json", "x")

    assert "[BN402] cannot write" in str(caught.value)
    assert caught.value.exit_code == 3


def test_a_full_disk_is_a_storage_error() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("the system has no /dev/full")

    from burnish.files import storage_errors

    with (
        pytest.raises(StorageError, match="No space left"),
        storage_errors(full),
        full.open("wb", buffering=0) as file,
    ):
        file.write(b"x")


@given(
    st.lists(
        st.builds(
            Prediction,
            example_id=st.text(min_size=1),
            answer=st.lists(st.text()).map(tuple),
            reference=st.none() | st.lists(st.text()).map(tuple),
            scores=st.dictionaries(st.text(), st.sampled_from([0.0, 0.25, 1.0])),
        ),
        max_size=5,
    )
)
def test_predictions_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, predictions: list[Prediction]
) -> None:
    path = tmp_path_factory.mktemp("p") / "tuned.test.jsonl"

    write_predictions(path, predictions)

    assert read_predictions(path) == predictions


def test_a_damaged_prediction_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tuned.test.jsonl"
    write_text(path, '{"id": "1"}\n')

    with pytest.raises(RunFolderError, match="answer") as caught:
        read_predictions(path)

    assert str(path) in str(caught.value)


def test_a_label_or_text_without_a_list_is_one_and_not_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    write_text(path, '{"id": 1, "answer": "good", "reference": "bad"}\n')

    assert read_predictions(path) == [
        Prediction(example_id="1", answer=("good",), reference=("bad",))
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": null, "answer": ["a"]}', "the id is null"),
        ('{"id": "1"}', "it has no 'answer'"),
        ('{"id": "1", "answer": null}', "the answer None is neither a text nor a list"),
        ('{"id": "1", "answer": {"a": 1}}', "is neither a text nor a list"),
        ('{"id": "1", "answer": [null]}', "is neither a text nor a list"),
        ('{"id": "1", "answer": ["a"], "reference": 3}', "the reference 3 is neither"),
        ('{"id": "1", "answer": ["a"], "scores": {"a": "high"}}', "the score 'high' of 'a'"),
        ('{"id": "1", "answer": ["a"], "scores": {"a": null}}', "the score None of 'a'"),
        ('{"id": "1", "answer": ["a"], "scores": [0.5]}', "'list' object"),
        ('["a"]', "'list' object"),
    ],
)
def test_a_line_that_is_no_prediction_is_told_with_its_number(
    line: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.jsonl"
    write_text(path, f'{{"id": "0", "answer": ["a"]}}\n\n{line}\n')

    with pytest.raises(RunFolderError, match=re.escape(told)) as caught:
        read_predictions(path)

    assert caught.value.where == f"{path}, line 3"


def test_a_run_folder_is_new_or_empty(tmp_path: Path) -> None:
    folder = RunFolder.create("x", out=tmp_path / "run")
    write_text(folder.recipe, "task: x\n")

    assert RunFolder.open(tmp_path / "run") == folder
    with pytest.raises(StorageError, match="not empty"):
        RunFolder.create("x", out=tmp_path / "run")


def test_two_runs_of_the_same_second_get_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    folders = {RunFolder.create("a").root for _ in range(3)}

    assert len(folders) == 3


def test_runs_that_begin_at_once_get_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exists, mkdir = Path.exists, Path.mkdir
    made: list[Path] = []

    def late(self: Path, *args: Any, **kwargs: Any) -> bool:
        """Another run makes the folder between the look and the making."""
        found = exists(self, *args, **kwargs)
        if not found and not made:
            made.append(self)
            mkdir(self, parents=True)
        return found

    monkeypatch.setattr(Path, "exists", late)
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: RunFolder.create("a").root, range(40)))
    assert len({*folders, *made}) == 40 + len(made)


def test_a_folder_without_a_recipe_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder.open(tmp_path)


def test_files_are_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_json(tmp_path / "a.json", {"x": 1})
    finally:
        os.umask(before)

    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert sha256(tmp_path / "a.json") == sha256(tmp_path / "a.json")


def test_a_ledger_entry_that_loses_a_row_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="10 rows in, 9 told of"):
        LedgerEntry(stage="read", split="train", rows_in=10, kept=8, dropped={"null-text": 1})


@contextmanager
def small_disk(most: int) -> Iterator[None]:
    """Let no file grow over `most` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_whatever_the_library_that_writes_makes_of_it(tmp_path: Path) -> None:
    def save() -> None:
        with atomic_writer(tmp_path / "weights") as file:
            try:
                file.write(b"0" * 1_000_000)
            except OSError as err:
                raise RuntimeError("unexpected position 704 vs 598") from err

    with small_disk(1000), pytest.raises(StorageError, match="cannot write"):
        save()

    assert list(tmp_path.iterdir()) == []


def test_an_error_that_is_not_the_disks_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="mine"), atomic_writer(tmp_path / "file"):
        raise RuntimeError("mine")

    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_that_cannot_be_looked_up_is_told_as_such(closed: Path) -> None:
    with pytest.raises(RunFolderError, match="Permission denied"):
        RunFolder.open(closed / "run")


def test_a_run_folder_whose_name_is_too_long_is_told_as_such() -> None:
    with pytest.raises(RunFolderError, match="too long"):
        RunFolder.open(Path("x" * 300))
