"""`burnish tune --curve` from the command line to the page, and what it refuses."""

import json
from pathlib import Path

import pytest

from burnish.cli.main import main
from burnish.data.starter import clauses
from burnish.files import write_jsonl


def status(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["tune", *arguments])
    return ended.value.code or 0


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    for part, count in (("train", 48), ("validation", 20), ("test", 30)):
        write_jsonl(tmp_path / "data" / f"{part}.jsonl", clauses(part).head(count).to_dicts())
    values = {
        "name": "clauses",
        "task": {
            "kind": "text-classification",
            "max_length": 24,
            "collapse": {"positive": "unfair", "negative": "fair"},
        },
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "data": {"from": str(tmp_path / "data"), "label": "labels"},
        "training": {"epochs": 4, "batch_size": 16},
        "evaluation": {"baselines": ["majority"], "resamples": 100},
        "tracking": {"trackers": []},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(values), "utf-8")
    return path


def test_the_curve_of_a_starter_model_is_told_as_json_words_and_a_page(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = (str(recipe), "--curve", "--sizes", "3", "--out", str(tmp_path / "out"))

    assert status(*asked, "--set", "training.epochs=1", "--json") == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert [size["rows"] for size in found["sizes"]] == [12, 24, 48]
    assert [one["rows"] for one in found["beyond"]] == [96, 192]
    assert all(sentence in told.err for sentence in found["words"])
    assert Path(found["page"]).read_text("utf-8").startswith("<!doctype html>")

    assert status(*asked, "--set", "training.epochs=1") == 0
    again = capsys.readouterr()
    assert again.out.strip() == found["page"]
    assert again.err.count("kept from before") == 3

    assert status(*asked) == 2
    assert "of another recipe" in capsys.readouterr().err


def test_without_curve_it_says_what_is_not_there_yet(
    recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(str(recipe)) == 2
    told = capsys.readouterr().err
    assert "[BN103] a search over recipe keys is not there yet" in told
    assert "--curve" in told


def test_too_few_sizes_and_too_few_rows_are_refused(
    recipe: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    assert status(str(recipe), "--curve", "--sizes", "2") == 2
    assert (
        status(str(recipe), "--curve", "--set", "data.limit=9", "--out", str(tmp_path / "o")) == 2
    )
    assert "9 training rows are too few for 4 sizes" in capsys.readouterr().err


def test_a_stopped_curve_says_how_to_go_on(
    recipe: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object, **listeners: object) -> None:
        listeners["started"](tmp_path / "out")  # type: ignore[operator]
        raise KeyboardInterrupt

    monkeypatch.setattr("burnish.pipeline.curve.tune_curve", stopped)

    assert status(str(recipe), "--curve") == 130
    assert f"`--out {tmp_path / 'out'}` goes on" in capsys.readouterr().err
