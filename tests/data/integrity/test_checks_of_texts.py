"""Checks where answers are texts: what applies, what it says, and what it does by default."""

from typing import Any

import polars as pl
import pytest

from burnish.data.integrity.checks import POLICIES, check_parts, check_splits
from burnish.errors import CheckError, RecipeError
from burnish.recipe.data import Data
from burnish.records import Finding, LabelSpace, PlainSpace, TextSpace

SPACE = TextSpace()
LABELS = LabelSpace(names=("no", "yes"), multi_label=False, positive="yes")
QUIET = ("near-duplicates", "near-leak", "length-outliers")
GOOD = (("Is there any tea?", ["There is."]), ("A large mocha, please.", ["Right away."]))


def rows(name: str, *pairs: tuple[str | None, list[str] | None]) -> pl.DataFrame:
    count = len(pairs)
    return pl.DataFrame(
        {
            "id": [f"{name}:{n}" for n in range(1, count + 1)],
            "text": pl.Series([text for text, _ in pairs], dtype=pl.String),
            "labels": pl.Series([answers for _, answers in pairs], dtype=pl.List(pl.String)),
            "group": pl.Series([None] * count, dtype=pl.String),
            "file": [f"{name}.jsonl"] * count,
            "row": pl.Series(range(1, count + 1), dtype=pl.Int64),
        }
    )


def data(**actions: str) -> Data:
    chosen = dict.fromkeys(QUIET, "ignore")
    chosen |= {kind.replace("_", "-"): action for kind, action in actions.items()}
    checks = tuple({"kind": kind, "action": action} for kind, action in chosen.items())
    return Data.model_validate({"from": "x", "checks": checks})


def found(*bad: tuple[str | None, list[str] | None], **actions: str) -> tuple[Finding, ...]:
    return check_parts({"train": rows("train", *GOOD, *bad)}, SPACE, data(**actions))[1]


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        ((None, ["Yes."]), "null-text", "1 train row(s) have no text"),
        (("\t ", ["Yes."]), "empty-text", "1 train text(s) are empty"),
        (("Some tea?", None), "null-label", "1 train row(s) have no answer"),
        (("Some tea?", [" \n"]), "empty-answer", "1 train answer(s) are empty"),
        (("Some tea?", ["Yes.", ""]), "empty-answer", "1 train answer(s) are empty"),
    ],
)
def test_rows_without_text_or_answer_are_dropped_counted_and_told(
    bad: tuple[str | None, Any], kind: str, words: str
) -> None:
    parts, findings, entries = check_parts({"train": rows("train", *GOOD, bad)}, SPACE, data())

    (finding,) = findings
    assert (finding.code, finding.action, finding.count) == (kind, "drop", 1)
    assert finding.message == f"{words} (first: train.jsonl row 3); 1 train row(s) left out"
    assert (finding.file, finding.row) == ("train.jsonl", 3)
    assert entries[0].dropped == {kind: 1}
    assert parts["train"]["row"].to_list() == [1, 2]


def test_two_replies_to_one_question_are_told_with_both_rows_and_the_beginnings() -> None:
    long = "That depends on how large a cup you would like to have and on which milk goes into it."
    conflict, repeat = found(("is there  any tea?", [long]), ("Is there any TEA?", ["No."]))

    assert (conflict.code, conflict.action, conflict.count) == ("conflicting-labels", "warn", 3)
    assert conflict.message == (
        "1 train text(s) have different answers in different rows (first: train.jsonl row 1 says "
        f"'There is.', train.jsonl row 3 says '{long[:59]}…')"
    )
    assert (repeat.code, repeat.count) == ("duplicates", 2)


def test_one_question_with_one_reply_twice_is_a_duplicate_and_no_conflict() -> None:
    (finding,) = found(GOOD[0], (None, None), null_text="drop")[1:]
    assert finding.code == "duplicates"


def test_a_row_whose_answer_is_empty_makes_no_conflict() -> None:
    assert [f.code for f in found((GOOD[0][0], [""]))] == ["empty-answer"]


def test_an_input_on_two_sides_stops_even_where_the_answers_differ() -> None:
    splits = {"train": rows("train", *GOOD), "test": rows("test", (GOOD[1][0], ["Later."]))}
    with pytest.raises(CheckError, match=r"leak: 1 test text\(s\) are also in train"):
        check_splits(splits, SPACE, data())
    kept, _, _ = check_splits(splits, SPACE, data(leak="drop"))
    assert kept["train"]["row"].to_list() == [1]


def test_classes_are_not_looked_for_among_texts() -> None:
    same = {"train": rows("train", ("one", ["No."]), ("two", ["No."]))}
    assert check_parts(same, SPACE, data())[1] == ()
    assert check_splits(same, SPACE, data())[1] == ()


@pytest.mark.parametrize(
    ("space", "kind", "answers"),
    [
        (SPACE, "missing_class", "texts"),
        (SPACE, "unknown_label", "texts"),
        (LABELS, "empty_answer", "labels"),
    ],
)
def test_a_check_that_means_nothing_to_the_task_is_refused_unless_ignored(
    space: Any, kind: str, answers: str
) -> None:
    train = {"train": rows("train", ("one", ["no"]), ("two", ["yes"]))}
    with pytest.raises(RecipeError, match=f"tasks whose answers are {answers}") as caught:
        check_parts(train, space, data(**{kind: "error"}))
    assert caught.value.where == "recipe key `data.checks[3].kind`"
    check_parts(train, space, data(**{kind: "ignore"}))


def test_checks_of_texts_speak_of_every_task_and_checks_of_answers_of_those_that_have_them() -> (
    None
):
    of = {kind: set(policy.spaces) for kind, policy in POLICIES.items()}
    every = {kind for kind, spaces in of.items() if spaces == {LabelSpace, TextSpace, PlainSpace}}

    assert of["unknown-label"] == of["missing-class"] == {LabelSpace}
    assert of["empty-answer"] == {TextSpace}
    assert of["null-label"] == of["conflicting-labels"] == {LabelSpace, TextSpace}
    assert every | {"unknown-label", "missing-class", "empty-answer", "null-label",
                    "conflicting-labels"} == set(POLICIES)  # fmt: skip
    assert {"empty-text", "duplicates", "leak"} <= every
