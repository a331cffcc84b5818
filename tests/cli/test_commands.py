"""The command line starts fast, prints what was asked to the right place, and exits as promised."""

import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.cli.display import show_scores
from burnish.cli.main import main
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.recipe.load import load_recipe
from burnish.records import Score
from burnish.runfolder import RunFolder

BURNISH = Path(sys.executable).with_name("burnish")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BURNISH), *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_score_without_an_interval_is_shown_with_a_dash(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nan = float("nan")

    show_scores([Score(system="a", split="t", metric="f1", value=1, low=nan, high=nan, n=1)])

    told = capsys.readouterr().out
    assert "–" in told
    assert "nan" not in told


def test_help_is_fast() -> None:
    """Processor time, the best of three: the machine may be busy, the program may not be slow."""
    taken = []
    for _ in range(3):
        start = _children_seconds()
        assert run("--help").returncode == 0
        taken.append(_children_seconds() - start)

    assert min(taken) < 0.3


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_loads_no_model_library() -> None:
    code = (
        "import sys; from burnish.cli.main import app; "
        "heavy = {'torch', 'transformers', 'lightning', 'mlflow', 'hamilton', 'polars', 'peft'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("check",),
        ("tune", "--curve"),
        ("data", "select", "--out", "x"),
        ("data", "split", "--out", "x"),
        ("data", "label-errors", "--out", "x"),
    ],
    ids=" ".join,
)
def test_a_slip_in_a_recipe_is_told_before_any_model_library_is_loaded(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "recipe.yaml").write_text("task: text-classification\nmodle: x\n")
    code = (
        "import atexit, sys; from burnish.cli.main import main; "
        "heavy = {'torch', 'transformers', 'lightning', 'mlflow', 'hamilton', 'peft'}; "
        "atexit.register(lambda: print(sorted(heavy & set(sys.modules)))); main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command, "recipe.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "modle" in done.stderr
    assert done.stdout.strip() == "[]"


def test_version_is_told() -> None:
    assert run("--version").stdout.startswith("burnish 0.")


def test_the_package_is_run_as_the_command() -> None:
    command = [sys.executable, "-m", "burnish", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert done.stdout == run("--version").stdout


def test_a_port_that_is_taken_is_told_before_the_page_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        main(["ui", "--port", str(taken.getsockname()[1])])

    assert ended.value.code == 3
    assert "[BN707]" in capsys.readouterr().err


def test_rows_that_are_refused_leave_no_run_folder_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    rows = [{"text": f"text number {at}", "label": "ab"[at % 2]} for at in range(30)]
    Path("rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    Path("recipe.yaml").write_text(
        "task: {kind: text-classification, labels: [a, c]}\n"
        "model: sentence-transformers/all-MiniLM-L6-v2\ndata: {from: rows.jsonl}\n"
        "tracking: {trackers: []}\n",
        "utf-8",
    )

    with pytest.raises(SystemExit) as ended:
        main(["run", "recipe.yaml", "--out", "out"])

    assert ended.value.code == 2
    assert "[BN207]" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--version",), 0),
        (("schema",), 0),
        (("doctor", "--json"), 0),
        (("run", "--help"), 0),
        (("check", "nothing.yaml", "--json"), 2),
    ],
)
def test_a_reader_that_leaves_early_changes_no_status(
    arguments: tuple[str, ...], status: int
) -> None:
    nobody, out = os.pipe()
    os.close(nobody)
    done = subprocess.run(
        [str(BURNISH), *arguments], stdout=out, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(out)

    assert done.returncode == status
    assert "BrokenPipe" not in done.stderr


def test_an_unknown_command_is_a_usage_error() -> None:
    done = run("trian")

    assert done.returncode == 2
    assert "trian" in done.stderr


def test_the_schema_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["schema"])

    schema = json.loads(capsys.readouterr().out)
    assert ended.value.code in (0, None)
    assert set(schema["required"]) == {"task", "model", "data"}


def test_debug_shows_the_traceback() -> None:
    done = run("check", "nowhere.yaml", "--debug")

    assert done.returncode != 0
    assert "Traceback" in done.stderr


def test_a_new_project_can_be_checked_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit):
        main(["init", str(tmp_path / "new")])
    monkeypatch.chdir(tmp_path / "new")
    capsys.readouterr()

    with pytest.raises(SystemExit) as ended:
        main(["check", "recipe.yaml", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert ended.value.code in (0, None)
    assert found["ok"]
    assert found["ledger"]["balances"]
    assert set(found["splits"]) == {"train", "validation", "test"}
    assert found["estimate"]["seconds"] > 0
    assert sorted(path.name for path in Path().iterdir()) == [
        ".dockerignore",
        ".github",
        ".gitignore",
        "Dockerfile",
        "data",
        "recipe.yaml",
    ]


def test_doctor_tells_precision_and_starter_models(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["doctor", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert found["hardware"]["precision"] in ("fp32", "bf16")
    assert "sentence-transformers/all-MiniLM-L6-v2" in found["starter_models"]


def test_a_stopped_run_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, started: Callable[[Path], None], **__: object) -> None:
        started(tmp_path / "run")
        raise KeyboardInterrupt

    monkeypatch.setattr("burnish.pipeline.run.run", stopped)

    with pytest.raises(SystemExit) as left:
        main(["run"])

    assert left.value.code == 130
    assert f"burnish resume {tmp_path / 'run'}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "rows"), [("causal-lm", 240), ("seq2seq", 240), ("causal-lm-text", 1_500)]
)
def test_a_new_project_for_a_language_model_has_rows_that_pass_every_check(
    task: str, rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit):
        main(["init", str(tmp_path / "new"), "--task", task])
    monkeypatch.chdir(tmp_path / "new")
    recipe = load_recipe(Path("recipe.yaml"), [])

    found = execute(["leak_checked"], recipe=recipe, context=Context(folder=RunFolder(Path("-"))))[
        "leak_checked"
    ]

    assert recipe.task.kind == task
    held_out = 60 if rows == 240 else 400
    assert {name: frame.height for name, frame in found.rows.items()} == {
        "train": rows,
        "validation": held_out,
        "test": held_out,
    }
    assert {one.code for one in found.findings} <= {"near-duplicates", "near-leak"}
