"""Inputs that are conversations: read in both forms, kept as messages, told apart from answers."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.load import load_part, load_rows
from burnish.data.reading import Reading
from burnish.data.settle import settle
from burnish.errors import DataFormatError, LabelError
from burnish.recipe.recipe import Recipe

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "A latte."},
    {"role": "assistant", "content": "What size?"},
    {"role": "user", "content": "Large."},
    {"role": "assistant", "content": "Coming up."},
]
SHAREGPT = [{"from": "human", "value": "A tea."}, {"from": "gpt", "value": "Here."}]


def recipe(path: Path, **data: Any) -> Recipe:
    return Recipe.model_validate(
        {"task": {"kind": "causal-lm"}, "model": "-", "data": {"train": str(path)} | data}
    )


def save(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_what_an_assistant_says_last_is_the_answer(name: str, tmp_path: Path) -> None:
    path = save(tmp_path / name, [{"messages": TALK}, {"messages": TALK[:3]}])
    given = recipe(path, input="messages", output=None)

    parts, _ = load_rows(given)
    _, settled = settle(given, parts)

    rows = settled["train"]
    assert rows["labels"].to_list() == [["Coming up."], ["What size?"]]
    assert rows["turns"].to_list() == [TALK[:4], TALK[:2]]
    assert (
        rows["text"][0] == "system: Be brief.\nuser: A latte.\nassistant: What size?\nuser: Large."
    )


def test_the_answer_may_stand_in_a_column_of_its_own(tmp_path: Path) -> None:
    path = save(tmp_path / "rows.jsonl", [{"input": TALK[:4], "output": "Coming up."}])

    parts, _ = load_rows(recipe(path))

    assert parts["train"]["raw_label"].to_list() == [["Coming up."]]
    assert parts["train"]["turns"].to_list() == [TALK[:4]]


def test_the_form_of_sharegpt_and_plain_texts_are_read_beside_it(tmp_path: Path) -> None:
    rows = [{"m": SHAREGPT}, {"m": "A tea."}, {"m": TALK}]
    path = save(tmp_path / "rows.jsonl", rows)

    parts, _ = load_rows(recipe(path, input="m", output=None))

    asked = [{"role": "user", "content": "A tea."}]
    assert parts["train"]["turns"].to_list() == [asked, asked, TALK[:4]]
    assert parts["train"]["text"].to_list()[:2] == ["A tea.", "A tea."]
    assert parts["train"]["raw_label"].to_list() == [["Here."], None, ["Coming up."]]


def test_files_with_and_without_conversations_make_one_part(tmp_path: Path) -> None:
    save(tmp_path / "a.jsonl", [{"input": "A tea.", "output": "Here."}])
    save(tmp_path / "b.jsonl", [{"input": TALK[:2], "output": "What size?"}])
    files = [str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
    given = recipe(tmp_path / "a.jsonl")

    rows, entry = load_part("train", files, Reading.of(given))

    assert rows["turns"].to_list() == [None, TALK[:2]]
    assert (entry.rows_in, entry.kept) == (2, 2)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([{"role": "waiter", "content": "Hi"}], "of the role 'waiter'"),
        ([{"role": "user", "content": 3}], "content is not a text"),
        ([{"text": "Hi"}], "no object with `role` and `content`"),
        ([["Hi"]], "no object with `role` and `content`"),
        ([{"role": "user", "content": "a\x00b"}], "NUL"),
    ],
)
def test_a_message_that_is_none_is_refused_with_its_row(
    messages: list[Any], told: str, tmp_path: Path
) -> None:
    path = save(tmp_path / "rows.jsonl", [{"m": TALK}, {"m": messages}])

    with pytest.raises(DataFormatError, match=told) as caught:
        load_rows(recipe(path, input="m", output=None))

    assert "row 2" in str(caught.value)


def test_conversations_that_nobody_answers_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "rows.jsonl", [{"m": TALK[:2]}, {"m": "Hello?"}])
    given = recipe(path, input="m", output=None)
    parts, _ = load_rows(given)

    with pytest.raises(LabelError, match="no conversation ends with a message of an assistant"):
        settle(given, parts)
