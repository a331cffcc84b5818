"""Answers that are texts: the same canonical frame as labels, from files of every shape."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.integrity.checks import check_parts, check_splits
from burnish.data.keys import text_keys
from burnish.data.ledger import ledger_json
from burnish.data.load import load_part, load_rows
from burnish.data.reading import Reading
from burnish.data.settle import settle, settle_answers
from burnish.data.splits import split_parts
from burnish.errors import LabelError
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, TextSpace

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
needs_rows = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data sets are not beside this checkout"
)


def recipe(kind: str = "seq2seq", **sections: Any) -> Recipe:
    return Recipe.model_validate({"task": {"kind": kind}, "model": "m"} | sections)


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def part(answers: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"f:{n}" for n in range(len(answers))],
            "text": [f"text {n}" for n in range(len(answers))],
            "raw_label": pl.Series(answers, dtype=pl.List(pl.String)),
        }
    )


def whole_way(recipe: Recipe) -> tuple[dict[str, pl.DataFrame], dict[str, int], set[str]]:
    """Return the splits, the totals of the ledger, and the checks that found something."""
    parts, read = load_rows(recipe)
    space, parts = settle(recipe, parts)
    parts, found, checked = check_parts(parts, space, recipe.data)
    splits, split = split_parts(parts, recipe.split, recipe.data, space)
    splits, more, leaks = check_splits(splits, space, recipe.data)
    totals = ledger_json([*read, *checked, *split, *leaks])["totals"]
    return splits, totals, {finding.code for finding in (*found, *more)}


def test_answers_keep_their_order_and_copies_and_a_row_without_any_has_null() -> None:
    space, parts = settle_answers(
        {"train": part([["b", "a", "b"], [], None, [""]])}, answer_column="reply"
    )
    assert space == TextSpace()
    assert parts["train"]["labels"].to_list() == [["b", "a", "b"], None, None, [""]]
    assert parts["train"].columns == ["id", "text", "labels"]


def test_a_column_without_any_answer_is_named_with_its_key() -> None:
    with pytest.raises(LabelError, match="'reply' is empty in every row") as caught:
        settle_answers({"train": part([None, []])}, answer_column="reply")
    assert "data.output" in caught.value.fix


def test_the_task_decides_whether_a_column_holds_labels_or_texts(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", *({"t": f"text {n}", "a": "xy"[n % 2]} for n in range(4)))
    columns = {"from": path, "text": "t", "label": "a", "input": "t", "output": "a"}
    for kind, space in (
        ("text-classification", LabelSpace(names=("x", "y"), multi_label=False, positive="y")),
        ("causal-lm", TextSpace()),
    ):
        wanted = recipe(kind, data=columns)
        found, parts = settle(wanted, load_rows(wanted)[0])
        assert found == space
        assert parts["train"]["labels"].to_list() == [["x"], ["y"], ["x"], ["y"]]


def test_one_part_may_have_single_texts_and_another_lists_of_references(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", {"input": "one", "output": "a"})
    test = write(tmp_path / "test.jsonl", {"input": "two", "output": ["a", "b"]})
    wanted = recipe(data={"train": (train,), "test": test})
    _, parts = settle(wanted, load_rows(wanted)[0])
    assert parts["train"]["labels"].to_list() == [["a"]]
    assert parts["test"]["labels"].to_list() == [["a", "b"]]

    both = recipe(data={"train": (train, test)})
    _, parts = settle(both, load_rows(both)[0])
    assert parts["train"]["labels"].to_list() == [["a"], ["a", "b"]]


def test_rows_to_be_answered_need_no_answer(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"input": "Tea?"})
    wanted = recipe(data={"from": path})
    reading = Reading.of(wanted, labelled=False)
    frame, entry = load_part("new", [path], reading)
    assert frame.select("text", "raw_label").rows() == [("Tea?", None)]
    assert entry.kept == 1
    lines = tmp_path / "a.txt"
    lines.write_text("Tea?\nMilk?\n")
    frame, _ = load_part("new", [str(lines)], reading)
    assert frame["text"].to_list() == ["Tea?", "Milk?"]


@needs_rows
def test_one_file_of_dialogues_is_split_so_that_no_dialogue_is_on_two_sides() -> None:
    columns = {"input": "question", "output": "reply", "group": "dialogue"}
    told = ({"kind": "leak", "action": "warn"},)
    splits, totals, found = whole_way(
        recipe("causal-lm", data={"from": str(SHARED / "dialogue"), "checks": told} | columns)
    )
    groups = [set(rows["group"]) for rows in splits.values()]
    assert list(splits) == ["train", "validation", "test"]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert totals["rows_in"] == 5871 == sum(rows.height for rows in splits.values())
    assert 0.08 < splits["test"].height / 5871 < 0.12
    assert {"conflicting-labels", "duplicates", "leak"} <= found


@needs_rows
def test_without_a_group_no_question_is_on_two_sides() -> None:
    columns = {"input": "question", "output": "reply"}
    splits, _, found = whole_way(
        recipe("causal-lm", data={"from": str(SHARED / "dialogue" / "train.json")} | columns)
    )
    sides = [set(text_keys(rows["text"])) for rows in splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))
    assert not {"leak", "near-leak"} & found


@needs_rows
def test_articles_and_abstracts_load_with_single_summaries_and_with_references() -> None:
    columns = {"input": "document", "output": "summary"}
    splits, _, _ = whole_way(recipe(data={"from": str(SHARED / "xsum"), "id": "id"} | columns))
    assert {name: rows.height for name, rows in splits.items()} == {"train": 900, "validation": 100}
    assert set(splits["train"]["labels"].list.len()) == {1}

    dropped = ({"kind": "leak", "action": "drop"},)
    columns = {"input": "document", "output": "references", "checks": dropped}
    splits, totals, _ = whole_way(recipe(data={"from": str(SHARED / "scitldr")} | columns))
    assert splits["validation"].height == 619
    assert totals["dropped"] == {"leak": 1992 - splits["train"].height}  # type: ignore[comparison-overlap]
    assert splits["validation"]["labels"].list.len().max() > 1  # type: ignore[operator]
