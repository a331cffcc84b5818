"""Sixty ways to be wrong: each ends in a documented code, status 2 or 3, and no traceback."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from burnish.cli.main import main

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
Case = Callable[[Path], list[str]]


def rows(path: Path, *, count: int = 60, **columns: object) -> Path:
    """Write a small labelled file, two classes in turn."""
    lines = [
        {"text": f"{'good' if i % 2 else 'bad'} text number {i}", "label": "ab"[i % 2]} | columns
        for i in range(count)
    ]
    return raw(path, "\n".join(map(json.dumps, lines)) + "\n")


def raw(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def recipe(folder: Path, **sections: object) -> str:
    """Write a recipe that is right but for `sections`, and return its path."""
    values = {
        "task": "text-classification",
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "data": {"from": str(folder / "rows.jsonl")},
        "tracking": {"trackers": []},
    } | sections
    return str(raw(folder / "recipe.yaml", json.dumps(values)))


def checked(**sections: object) -> Case:
    """Return a case: good rows, and a recipe with these sections."""

    def case(folder: Path) -> list[str]:
        rows(folder / "rows.jsonl")
        return ["check", recipe(folder, **sections)]

    return case


def data(name: str, content: str | bytes, **keys: object) -> Case:
    """Return a case: a good recipe on a data file with this content."""

    def case(folder: Path) -> list[str]:
        raw(folder / name, content)
        return ["check", recipe(folder, data={"from": str(folder / name)} | keys)]

    return case


def model(**files: str | bytes) -> Case:
    """Return a case: good rows, and a model folder with these files."""

    def case(folder: Path) -> list[str]:
        rows(folder / "rows.jsonl")
        for name, content in files.items():
            raw(folder / "model" / name.replace("__", "."), content)
        return ["check", recipe(folder, model=str(folder / "model"))]

    return case


def absent_model(folder: Path) -> list[str]:
    rows(folder / "rows.jsonl")
    return ["check", recipe(folder, model=str(folder / "nowhere"))]


def leak(folder: Path) -> list[str]:
    rows(folder / "d" / "train.jsonl")
    rows(folder / "d" / "validation.jsonl")
    return ["check", recipe(folder, data={"from": str(folder / "d")})]


def unwritable(folder: Path) -> list[str]:
    rows(folder / "rows.jsonl")
    blocked = raw(folder / "blocked", "a file where a folder should be")
    return ["run", recipe(folder), "--out", str(blocked / "run")]


def occupied(folder: Path) -> list[str]:
    rows(folder / "rows.jsonl")
    return ["run", recipe(folder), "--out", str(folder)]


def too_few_groups(folder: Path) -> list[str]:
    rows(folder / "rows.jsonl", group="one")
    path = str(folder / "rows.jsonl")
    return ["check", recipe(folder, data={"from": path, "group": "group"})]


GOOD = '{"text": "a good one", "label": "a"}\n{"text": "a bad one", "label": "b"}\n'
CONFIG = json.dumps({"model_type": "bert", "hidden_size": 8})

CASES: dict[str, tuple[str, Case]] = {
    # The recipe
    "typo in a section": ("BN101", checked(trainning={"epochs": 1})),
    "typo in a key": ("BN101", checked(training={"epoch": 1})),
    "text for a number": ("BN101", checked(training={"epochs": "three"})),
    "number for text": ("BN101", checked(model=3)),
    "negative epochs": ("BN101", checked(training={"epochs": -1})),
    "rate above one": ("BN101", checked(training={"learning_rate": 2})),
    "unknown task": ("BN101", checked(task="text-clasification")),
    "unknown method": ("BN101", checked(method="lorra")),
    "unknown precision": ("BN101", checked(training={"precision": "fp8"})),
    "no data": ("BN101", checked(data={})),
    "shares above one": ("BN101", checked(split={"validation": 0.6, "test": 0.6})),
    "label twice": ("BN101", checked(task={"labels": ["a", "a"]})),
    "positive is no label": ("BN101", checked(task={"labels": ["a", "b"], "positive": "c"})),
    "unknown check": ("BN101", checked(data={"from": "x", "checks": [{"kind": "x"}]})),
    "bad name": ("BN101", checked(name="a/b")),
    "future version": ("BN101", checked(version=9)),
    "recipe absent": ("BN101", lambda folder: ["check", str(folder / "none.yaml")]),
    "recipe is a folder": ("BN101", lambda folder: ["check", str(folder)]),
    "recipe empty": ("BN101", lambda folder: ["check", str(raw(folder / "r.yaml", ""))]),
    "recipe is a list": ("BN101", lambda folder: ["check", str(raw(folder / "r.yaml", "- a"))]),
    "recipe not yaml": ("BN101", lambda folder: ["check", str(raw(folder / "r.yaml", "a: ["))]),
    "recipe not utf-8": ("BN101", lambda folder: ["check", str(raw(folder / "r.yaml", b"\xff"))]),
    "override without =": ("BN101", lambda folder: [*checked()(folder), "--set", "training"]),
    "override unknown": ("BN101", lambda folder: [*checked()(folder), "--set", "trainin.x=1"]),
    "unknown baseline": ("BN102", checked(evaluation={"baselines": ["tfidf-swm"]})),
    "unknown metric": ("BN102", checked(evaluation={"metrics": ["macro_f2"]})),
    "metric of another task": ("BN101", checked(evaluation={"metrics": ["rouge1"]})),
    "metric of more labels": ("BN101", checked(evaluation={"metrics": ["lexglue_macro_f1"]})),
    "gate on another task's metric": (
        "BN101",
        checked(evaluation={"gates": [{"metric": "rouge1"}]}),
    ),
    "typo in what stopping waits for": (
        "BN101",
        checked(training={"early_stopping": {"metric": "f1x"}}),
    ),
    "unknown tracker": ("BN102", checked(tracking={"trackers": ["mlfow"]})),
    # The data
    "file absent": ("BN201", checked(data={"from": "nowhere.jsonl"})),
    "folder absent": ("BN201", checked(data={"from": "nowhere/"})),
    "folder empty": (
        "BN201",
        lambda folder: ["check", recipe(folder, data={"from": str(folder / "d" / "..")})],
    ),
    "glob matches nothing": ("BN201", checked(data={"train": "nowhere/*.csv"})),
    "hub out of reach": ("BN201", checked(data={"from": "hub:nobody/nothing"})),
    "unknown format": ("BN202", data("rows.docx", GOOD)),
    "file empty": ("BN205", data("rows.jsonl", "")),
    "only blank lines": ("BN205", data("rows.jsonl", "\n\n\n")),
    "header only": ("BN205", data("rows.csv", "text,label\n")),
    "not utf-8": ("BN202", data("rows.jsonl", b'{"text": "caf\xe9", "label": "a"}\n')),
    "NUL byte": ("BN202", data("rows.csv", b"text,label\na\x00b,c\n")),
    "json cut short": ("BN202", data("rows.json", '[{"text": "a", "label": "b"}')),
    "json is no list": ("BN202", data("rows.json", '{"text": "a"}')),
    "broken line": ("BN202", data("rows.jsonl", GOOD + "{not json}\n")),
    "line is no object": ("BN202", data("rows.jsonl", GOOD + "3\n")),
    "ragged csv": ("BN202", data("rows.csv", "text,label\na,b,c\n")),
    "gzip that is none": ("BN202", data("rows.jsonl.gz", b"plain text")),
    "gzip cut short": ("BN202", data("rows.jsonl.gz", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")),
    "parquet that is none": ("BN202", data("rows.parquet", b"PAR1 not really")),
    "text column missing": ("BN204", data("rows.jsonl", GOOD, text="clause")),
    "label column missing": ("BN204", data("rows.jsonl", GOOD, label="classes")),
    "group column missing": ("BN204", data("rows.jsonl", GOOD, group="document")),
    "text is a number": ("BN202", data("rows.jsonl", '{"text": 3, "label": "a"}\n')),
    "one class only": ("BN206", data("rows.jsonl", '{"text": "a b c", "label": "a"}\n' * 40)),
    "unknown label": ("BN207", checked(task={"labels": ["a", "c"]})),
    "leak between splits": ("BN207", leak),
    "one group only": ("BN208", too_few_groups),
    "too few rows": ("BN208", data("rows.jsonl", GOOD)),
    # The model
    "model absent": ("BN301", absent_model),
    "hub model out of reach": ("BN301", checked(model="nobody/nothing-at-all")),
    "pickled weights": ("BN302", model(config__json=CONFIG, pytorch_model__bin=b"\x80\x04.")),
    "code in the folder": (
        "BN302",
        model(config__json=CONFIG, modeling__py="print()", model__safetensors=b""),
    ),
    "auto_map": (
        "BN302",
        model(config__json='{"model_type": "x", "auto_map": {}}', model__safetensors=b""),
    ),
    "damaged weights": ("BN303", model(config__json=CONFIG, model__safetensors=b"garbage")),
    # Arguments and places
    "no folder to write": ("BN402", unwritable),
    "folder not empty": ("BN402", occupied),
    "text and file": ("BN103", lambda _: ["predict", "m", "--text", "a", "--in", "b.jsonl"]),
    "no run folder": ("BN601", lambda folder: ["report", str(folder)]),
    "nothing to resume": ("BN601", lambda folder: ["resume", str(folder)]),
    "nothing to compare": ("BN601", lambda folder: ["compare", str(folder), str(folder)]),
    "store of no database": ("BN403", lambda _: ["ui", "--uri", "garbage://x"]),
    "unknown schema key": ("BN101", lambda _: ["schema", "training.learnin_rate"]),
    "unknown task to init": ("BN102", lambda d: ["init", str(d / "new"), "--task", "text-clas"]),
}


def test_there_are_sixty_cases() -> None:
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_bad_input_ends_in_its_code(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, case = CASES[name]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit) as ended:
        main(case(tmp_path))

    error = capsys.readouterr().err
    assert f"[{code}]" in error
    assert ended.value.code in (2, 3)
    assert f"| {code} | {ended.value.code} |" in REFERENCE.read_text("utf-8")
    assert "Traceback" not in error
    assert re.search(r"^  where: \S", error, re.MULTILINE)
    assert re.search(r"^  fix:   \S", error, re.MULTILINE)


@pytest.mark.parametrize("name", ["typo in a key", "unknown label", "file absent"])
def test_a_check_that_fails_is_one_json_document_too(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, case = CASES[name]
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SystemExit):
        main([*case(tmp_path), "--json"])

    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert found["error"].startswith(f"[{code}]")
    if name == "unknown label":
        assert found["ledger"]["totals"]["rows_in"] == 60
        assert [one["code"] for one in found["findings"] if one["action"] == "error"]
