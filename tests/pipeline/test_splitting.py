"""Splits written as files: disjoint, as a run has them, each row as it stood."""

import json
from pathlib import Path
from typing import Any

import pytest

from burnish.errors import RecipeError, StorageError
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.splitting import write_splits
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def row(at: int) -> dict[str, Any]:
    text = " ".join(WORDS[(at * step) % 10] + str(at) for step in (1, 3, 7))
    return {"text": text, "label": "ab"[at % 2], "who": f"p{at // 4}", "more": [at]}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    lines = [json.dumps(row(at)) for at in range(80)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines), "utf-8")
    return tmp_path


def recipe(place: Path, **sections: Any) -> Recipe:
    written = {
        "task": {"labels": ["a", "b"]}, "model": "-",
        "data": {"from": str(place / "rows.jsonl"), "group": "who"},
        "split": {"validation": 0.2, "test": 0.2, "tune": 0.1},
    }  # fmt: skip
    return validate(Document(written | sections, {}, "a recipe"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text("utf-8").splitlines()]


def test_every_row_is_in_one_split_as_it_stood_and_groups_stay_together(place: Path) -> None:
    found = write_splits(recipe(place), place / "out")

    made = {path.stem: lines(path) for path in found.files}
    assert list(made) == ["train", "validation", "test"]
    assert sorted(one["more"][0] for rows in made.values() for one in rows) == list(range(80))
    assert all(one == row(one["more"][0]) for rows in made.values() for one in rows)
    owners = [{one["who"] for one in rows} for rows in made.values()]
    assert sum(map(len, owners)) == len(set.union(*owners))
    assert found.rows == {name: len(rows) for name, rows in made.items()}


def test_a_run_on_the_files_judges_the_same_rows(place: Path) -> None:
    write_splits(recipe(place), place / "out")
    from_files = recipe(place, data={"from": str(place / "out"), "group": "who"})

    both = [
        execute(("leak_checked",), recipe=one, context=Context.of_nothing())["leak_checked"].rows
        for one in (recipe(place), from_files)
    ]

    first, second = ({n: sorted(f["text"]) for n, f in one.items()} for one in both)
    assert first["test"] == second["test"]
    assert first["validation"] == second["validation"]
    assert sorted(first["train"] + first["tune"]) == sorted(second["train"] + second["tune"])


def test_what_is_made_up_or_would_be_overwritten_is_refused(place: Path) -> None:
    with pytest.raises(RecipeError, match="lie in no file"):
        write_splits(recipe(place, data={"from": "starter:clauses"}), place / "out")
    with pytest.raises(StorageError, match="not empty"):
        write_splits(recipe(place), place)
