"""Each check finds what it is for, says it in words an engineer can act on, and does as told."""

from typing import Any

import polars as pl
import pytest

from burnish.data.integrity.checks import CHECKS, POLICIES, check_parts, check_splits
from burnish.data.ledger import check_balance
from burnish.errors import CheckError, EmptyDataError, LabelError, RecipeError
from burnish.recipe.data import CheckKind, Data
from burnish.records import Finding, LabelSpace

SPACE = LabelSpace(names=("no", "yes"), multi_label=False, positive="yes")
CANONICAL = ["id", "text", "labels", "group", "file", "row"]
QUIET = ("near-duplicates", "near-leak", "length-outliers", "missing-class")


def rows(name: str, *pairs: tuple[str | None, Any]) -> pl.DataFrame:
    count = len(pairs)
    return pl.DataFrame(
        {
            "id": [f"{name}:{n}" for n in range(1, count + 1)],
            "text": pl.Series([text for text, _ in pairs], dtype=pl.String),
            "labels": pl.Series(
                [[label] if isinstance(label, str) else label for _, label in pairs],
                dtype=pl.List(pl.String),
            ),
            "group": pl.Series([None] * count, dtype=pl.String),
            "file": [f"{name}.jsonl"] * count,
            "row": pl.Series(range(1, count + 1), dtype=pl.Int64),
        }
    )


BOTH = (("the first clause of all", "no"), ("another one altogether", "yes"))


def data(*, quiet: bool = True, **actions: str) -> Data:
    chosen = dict.fromkeys(QUIET, "ignore") if quiet else {}
    chosen |= {kind.replace("_", "-"): action for kind, action in actions.items()}
    checks = tuple({"kind": kind, "action": action} for kind, action in chosen.items())
    return Data.model_validate({"from": "x", "checks": checks})


def only(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1, [f.message for f in findings]
    return findings[0]


def test_every_check_of_the_recipe_has_a_function_and_a_policy() -> None:
    assert set(CHECKS.names()) == set(POLICIES) == set(CheckKind.__args__)
    assert all(callable(CHECKS.get(name)) for name in CHECKS.names())


def test_a_missing_label_among_several_tells_how_no_label_is_written() -> None:
    space = LabelSpace(names=("no", "yes"), multi_label=True)
    bad = ("with a gap", None)
    findings = check_parts({"train": rows("train", *BOTH, bad)}, space, data())[1]
    assert "no label at all is [], or an empty CSV cell" in only(findings).message


@pytest.mark.parametrize(
    ("bad", "kind", "words"),
    [
        ((None, "no"), "null-text", "1 train row(s) have no text (first: train.jsonl row 3)"),
        ((" \n ", "no"), "empty-text", "1 train text(s) are empty (first: train.jsonl row 3)"),
        (
            ("some text", None),
            "null-label",
            "1 train row(s) have no label (first: train.jsonl row 3)",
        ),
    ],
)
def test_rows_without_text_or_label_are_dropped_counted_and_told(
    bad: tuple[str | None, Any], kind: str, words: str
) -> None:
    parts, findings, entries = check_parts({"train": rows("train", *BOTH, bad)}, SPACE, data())

    finding = only(findings)
    assert (finding.code, finding.action, finding.count) == (kind, "drop", 1)
    assert finding.message == words + "; 1 train row(s) left out"
    assert (finding.split, finding.file, finding.row) == ("train", "train.jsonl", 3)
    assert entries[0].dropped == {kind: 1}
    assert parts["train"]["row"].to_list() == [1, 2]


def test_an_unknown_label_stops_with_the_labels_counted() -> None:
    train = rows("train", *BOTH, ("third", "maybe"), ("fourth", "maybe"), ("fifth", "{never}"))
    with pytest.raises(CheckError) as caught:
        check_parts({"train": train}, SPACE, data())
    assert "unknown label: 'maybe' (2), '{never}' (1)" in caught.value.what
    assert caught.value.where == "train.jsonl row 3"
    assert "{kind: unknown-label, action: drop}" in caught.value.fix


def test_all_findings_are_told_together_when_one_of_them_stops() -> None:
    train = rows("train", *BOTH, (None, "no"), ("x", "maybe"), BOTH[0])
    with pytest.raises(CheckError) as caught:
        check_parts({"train": train}, SPACE, data(duplicates="error"))
    codes = [f.code for f in caught.value.findings]  # type: ignore[attr-defined]
    assert codes == ["null-text", "unknown-label", "duplicates"]
    assert caught.value.what.startswith("2 data check(s) failed")


def test_duplicates_ignore_case_and_white_space_and_name_both_rows() -> None:
    train = rows(
        "train", *BOTH, ("The  FIRST clause\tof all ", "no"), ("the first clause of all", "no")
    )
    finding = only(check_parts({"train": train}, SPACE, data())[1])
    assert finding.message == (
        "2 train text(s) repeat an earlier one (first: train.jsonl row 3 repeats train.jsonl row 1)"
    )
    kept, _, entries = check_parts({"train": train}, SPACE, data(duplicates="drop"))
    assert kept["train"]["row"].to_list() == [1, 2]
    assert entries[0].dropped == {"duplicates": 2}


def test_near_duplicates_are_told_apart_from_duplicates() -> None:
    words = [f"word{n}" for n in range(30)]
    texts = [" ".join(words), " ".join(words), " ".join([*words[:-1], "other"])]
    train = rows("train", *BOTH, *((text, "no") for text in texts))
    found = check_parts({"train": train}, SPACE, data(near_duplicates="warn"))[1]
    assert [(f.code, f.count, f.row) for f in found] == [
        ("duplicates", 1, 4),
        ("near-duplicates", 1, 5),
    ]


def test_one_text_with_two_answers_is_a_conflict_that_names_both() -> None:
    train = rows("train", *BOTH, ("The first clause of all", "yes"))
    finding = only(check_parts({"train": train}, SPACE, data(duplicates="ignore"))[1])
    assert finding.message == (
        "1 train text(s) have different labels in different rows (first: train.jsonl row 1 "
        "says no, train.jsonl row 3 says yes)"
    )
    train = rows("train", *BOTH, ("third", "no"), ("The first clause of all", "yes"))
    kept = check_parts({"train": train}, SPACE, data(conflicting_labels="drop"))[0]
    assert kept["train"]["row"].to_list() == [2, 3]


def test_a_conflict_is_told_of_the_rows_that_have_a_label_where_a_missing_one_stops_too() -> None:
    train = rows("train", ("a text", None), ("a text", "no"), ("a text", "yes"), *BOTH)
    with pytest.raises(CheckError) as caught:
        check_parts({"train": train}, SPACE, data(null_label="error", duplicates="ignore"))
    missing, conflict = caught.value.findings
    assert (missing.code, missing.row) == ("null-label", 1)
    assert (conflict.code, conflict.count) == ("conflicting-labels", 2)
    assert "train.jsonl row 2 says no, train.jsonl row 3 says yes" in conflict.message


def test_a_text_far_longer_than_the_others_is_an_outlier_and_twice_as_long_is_not() -> None:
    usual = [(f"a clause of usual length, number {n}", ("no", "yes")[n % 2]) for n in range(50)]
    train = rows("train", *usual, ("x" * 80, "no"), ("y" * 5000, "no"))
    finding = only(check_parts({"train": train}, SPACE, data(length_outliers="warn"))[1])
    assert (finding.count, finding.row, finding.severity) == (1, 52, "info")
    assert "5000 to 5000 characters" in finding.message


def test_a_leak_stops_and_names_the_pair_of_rows() -> None:
    splits = {"train": rows("train", *BOTH), "validation": rows("dev", BOTH[1], ("new", "no"))}
    with pytest.raises(CheckError) as caught:
        check_splits(splits, SPACE, data())
    assert (
        "leak: 1 validation text(s) are also in train (first: dev.jsonl row 1 repeats "
        "train.jsonl row 2)" in caught.value.what
    )


def test_a_dropped_leak_leaves_the_train_side_and_the_scored_side_whole() -> None:
    train = rows("train", *BOTH, ("third", "yes"), BOTH[1])
    splits = {"train": train, "test": rows("test", BOTH[1], ("new", "no"))}
    kept, findings, entries = check_splits(splits, SPACE, data(leak="drop"))

    assert kept["train"]["row"].to_list() == [1, 3]
    assert kept["test"].height == 2
    assert kept["train"].columns == CANONICAL
    assert only(findings).message.endswith("; 2 train row(s) left out")
    assert {e.split: e.dropped for e in entries} == {"train": {"leak": 2}, "test": {}}
    check_balance(entries)


def test_a_row_that_leaks_into_two_splits_is_dropped_and_counted_once() -> None:
    splits = {
        "train": rows("train", *BOTH, ("third", "no")),
        "validation": rows("dev", BOTH[1], ("fresh yes", "yes"), ("fresh no", "no")),
        "test": rows("test", BOTH[1], ("newest", "no")),
    }
    with pytest.raises(LabelError, match="same answer: no"):
        check_splits(splits, SPACE, data(leak="drop"))
    splits["train"] = rows("train", *BOTH, ("third", "no"), ("fourth", "yes"))
    kept, _, entries = check_splits(splits, SPACE, data(leak="drop"))
    assert [e.dropped for e in entries] == [{"leak": 1}, {"leak": 1}, {}]
    assert kept["validation"]["row"].to_list() == [2, 3]


def test_near_leaks_are_warned_of_and_exact_ones_left_to_the_other_check() -> None:
    words = [f"word{n}" for n in range(30)]
    near = " ".join([*words[:-1], "other"])
    splits = {
        "train": rows("train", *BOTH, (" ".join(words), "no")),
        "test": rows("test", (near, "no"), BOTH[0]),
    }
    found = check_splits(splits, SPACE, data(leak="warn", near_leak="warn"))[1]
    assert [(f.code, f.count) for f in found] == [("leak", 1), ("near-leak", 1)]
    assert found[1].message == (
        "1 test text(s) are nearly in train (first: test.jsonl row 1 nearly repeats "
        "train.jsonl row 3)"
    )


def grouped(name: str, *groups: str | None) -> pl.DataFrame:
    made = rows(name, *((f"{name} text number {n}", ("no", "yes")[n % 2]) for n in range(4)))
    return made.with_columns(group=pl.Series(groups, dtype=pl.String))


def test_groups_on_two_sides_are_warned_of_and_rows_without_group_are_of_none() -> None:
    splits = {
        "train": grouped("train", "1", None, "2", "2"),
        "test": grouped("test", None, "2", "3", "2"),
    }
    kept, findings, _ = check_splits(splits, SPACE, data())
    assert only(findings).message == (
        "2 test row(s) are of groups that are also in train (first: test.jsonl row 2 is of the "
        "group of train.jsonl row 3)"
    )
    assert {name: rows.height for name, rows in kept.items()} == {"train": 4, "test": 4}


def test_a_dropped_group_leak_leaves_the_train_side() -> None:
    splits = {
        "train": grouped("train", "1", None, "2", None),
        "test": grouped("test", None, "2", "3", "2"),
    }
    kept, _, entries = check_splits(splits, SPACE, data(group_leak="drop"))
    assert kept["train"]["row"].to_list() == [1, 2, 4]
    assert {e.split: e.dropped for e in entries} == {"train": {"group-leak": 1}, "test": {}}


def test_a_class_that_a_split_lacks_is_named() -> None:
    splits = {"train": rows("train", *BOTH), "test": rows("test", ("new", "no"))}
    finding = only(check_splits(splits, SPACE, data(missing_class="warn"))[1])
    assert finding.message == "test has no row of 1 class(es), which cannot be scored there: yes"


def test_one_class_only_after_the_checks_is_refused() -> None:
    train = rows("train", BOTH[0], ("", "yes"))
    with pytest.raises(LabelError, match="same answer: no"):
        check_parts({"train": train}, SPACE, data())


def test_a_part_with_nothing_left_says_what_was_dropped() -> None:
    parts = {"train": rows("train", *BOTH), "test": rows("test", ("", "no"), (None, "yes"))}
    with pytest.raises(EmptyDataError, match=r"no test row is left.*1 null-text, 1 empty-text"):
        check_parts(parts, SPACE, data())


@pytest.mark.parametrize(
    ("kind", "action"),
    [("null_text", "warn"), ("null_label", "ignore"), ("missing_class", "drop")],
)
def test_an_action_that_a_check_cannot_take_is_refused_with_those_it_can(
    kind: str, action: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        check_parts({"train": rows("train", *BOTH)}, SPACE, data(quiet=False, **{kind: action}))
    assert caught.value.where == "recipe key `data.checks[0].action`"
    assert caught.value.fix.startswith("use ")


def test_rows_are_checked_in_canonical_form_even_when_keys_were_lost_on_the_way() -> None:
    parts, _, _ = check_parts({"train": rows("train", *BOTH)}, SPACE, data(quiet=False))
    stored = {name: frame.select(CANONICAL) for name, frame in parts.items()}
    kept, _, _ = check_splits(stored, SPACE, data(quiet=False))
    assert kept["train"].columns == CANONICAL
