"""Splits: disjoint by construction, the same whatever the order of rows, classes in proportion."""

import random
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnish.data.keys import text_keys, without_keys
from burnish.data.ledger import check_balance
from burnish.data.splits import apart_from, split_parts
from burnish.errors import SplitError
from burnish.recipe.data import Data, Split
from burnish.records import LabelSpace

SPACE = LabelSpace(names=("a", "b", "c"), multi_label=True)
METHODS = ["random", "stratified", "cluster", "group", "time"]


def frame(rows: list[tuple[str, list[str], str | None, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"f:{n}" for n in range(1, len(rows) + 1)],
            "text": [r[0] for r in rows],
            "labels": [r[1] for r in rows],
            "group": [r[2] for r in rows],
            "file": ["f"] * len(rows),
            "row": list(range(1, len(rows) + 1)),
            "meta:when": [r[3] for r in rows],
        },
        schema_overrides={"labels": pl.List(pl.String), "group": pl.String, "row": pl.Int64},
    )


def divided(rows: pl.DataFrame, *, by: str = "auto", **split: Any) -> dict[str, pl.DataFrame]:
    data = Data(from_="x", group="group", time="when")
    made, entries = split_parts({"train": rows}, Split(by=by, **split), data, SPACE)  # type: ignore[arg-type]
    check_balance(entries)
    assert sum(entry.rows_in for entry in entries) == rows.height
    return made


def membership(splits: dict[str, pl.DataFrame]) -> dict[str, list[tuple[Any, ...]]]:
    """Rows of each split by what they say, not by where they stood."""
    return {
        name: sorted(rows.select("text", pl.col("labels").list.join(","), "group").iter_rows())
        for name, rows in splits.items()
    }


some_rows = st.lists(
    st.tuples(
        st.text("abcd ", min_size=1, max_size=6),
        st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(sorted),
        st.sampled_from([f"g{n}" for n in range(12)]),
        st.integers(0, 30),
    ),
    min_size=20,
    max_size=80,
).filter(
    # Enough distinct units of every kind for three splits.
    lambda rows: min(len({r[i] for r in rows}) for i in (0, 2, 3)) >= 8
)


@pytest.mark.parametrize("by", METHODS)
@settings(max_examples=15, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 5), shuffle=st.randoms(use_true_random=False))
def test_same_seed_gives_the_same_split_whatever_the_row_order(
    by: str, rows: list[Any], seed: int, shuffle: Any
) -> None:
    other = list(rows)
    shuffle.shuffle(other)

    first = divided(frame(rows), by=by, seed=seed, validation=0.2, test=0.2)
    again = divided(frame(other), by=by, seed=seed, validation=0.2, test=0.2)

    assert membership(first) == membership(again)


@pytest.mark.parametrize("by", METHODS)
@settings(max_examples=15, deadline=None)
@given(rows=some_rows, seed=st.integers(0, 5))
def test_every_row_is_in_one_split_and_no_unit_in_two(by: str, rows: list[Any], seed: int) -> None:
    whole = frame(rows)
    splits = divided(whole, by=by, seed=seed, validation=0.2, test=0.2, tune=0.2)

    ids = [i for part in splits.values() for i in part["id"]]
    assert sorted(ids) == sorted(whole["id"])
    assert list(splits) == ["train", "tune", "validation", "test"]
    assert all(part.height for part in splits.values())
    unit = {"group": "group", "time": "meta:when"}.get(by)
    sides = [set(p[unit] if unit else text_keys(p["text"])) for p in splits.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))


@settings(max_examples=30, deadline=None)
@example(counts=[12, 12, 96], seed=0)
@given(
    counts=st.lists(st.integers(10, 120), min_size=2, max_size=3),
    seed=st.integers(0, 100),
)
def test_stratified_keeps_the_share_of_every_class_to_the_row(counts: list[int], seed: int) -> None:
    rows = [
        (f"text {name} {n}", [name], None, n)
        for name, count in zip("abc", counts, strict=False)
        for n in range(count)
    ]
    splits = divided(frame(rows), by="stratified", seed=seed, validation=0.2, test=0.1)

    for name, count in zip("abc", counts, strict=False):
        for split, share in (("train", 0.7), ("validation", 0.2), ("test", 0.1)):
            have = splits[split]["labels"].list.contains(name).sum()
            assert abs(have - share * count) <= 1


def test_multi_label_rows_keep_the_share_of_every_label_even_of_rare_ones() -> None:
    combos = [[], ["a"], ["a", "b"], ["b"], ["c"], ["a", "b", "c"]]
    sizes = [600, 150, 60, 90, 10, 20]
    rows = [
        (f"t {c} {n}", c, None, n) for c, s in zip(combos, sizes, strict=True) for n in range(s)
    ]
    splits = divided(frame(rows), by="stratified", validation=0.2, test=0.2)

    for name in "abc":
        total = sum(s for c, s in zip(combos, sizes, strict=True) if name in c)
        for split in ("validation", "test"):
            have = splits[split]["labels"].list.contains(name).sum()
            assert abs(have - 0.2 * total) <= 2


def test_groups_of_unequal_size_come_near_the_share_of_rows_and_of_classes() -> None:
    rows = [
        (f"text {g} {n}", [["a"], ["b"], [], []][(n + g) % 4], f"doc {g}", 0)
        for g in range(30)
        for n in range(20 + 17 * g % 300)
    ]
    splits = divided(frame(rows), by="group", validation=0.15, test=0.15)

    for split in ("validation", "test"):
        assert splits[split].height / len(rows) == pytest.approx(0.15, abs=0.03)
        share = splits[split]["labels"].list.contains("a").mean()
        assert share == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("groups", [60, 1_900, 2_100, 3_000])
def test_many_groups_come_near_the_share_of_rows_and_of_classes_too(groups: int) -> None:
    chance = random.Random(0)
    rows = [
        (f"text {g} {n}", [chance.choice("ab")], f"doc {g}", 0)
        for g in range(groups)
        for n in range(chance.randint(1, 30))
    ]
    splits = divided(frame(rows), by="group", validation=0.1, test=0.1)

    whole = sum(label == ["a"] for _, label, _, _ in rows) / len(rows)
    for split, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
        assert splits[split].height / len(rows) == pytest.approx(share, abs=0.01)
        assert splits[split]["labels"].list.contains("a").mean() == pytest.approx(whole, abs=0.04)
    again = divided(frame(rows[::-1]), by="group", validation=0.1, test=0.1)
    assert membership(splits) == membership(again)


def test_another_seed_gives_another_split() -> None:
    rows = frame([(f"text number {n}", ["a"], None, n) for n in range(200)])
    assert membership(divided(rows, by="random", seed=0)) != membership(
        divided(rows, by="random", seed=1)
    )


def test_the_split_of_known_rows_never_changes_between_versions() -> None:
    rows = frame([(f"text number {n}", ["a"], f"g{n % 10}", n) for n in range(40)])
    test = divided(rows, by="random", seed=0)["test"]["text"].to_list()
    groups = set(divided(rows, by="group", seed=0)["test"]["group"])
    assert test == EXPECTED_TEST
    assert groups == EXPECTED_GROUPS


EXPECTED_TEST = [f"text number {n}" for n in (15, 21, 30, 35)]
EXPECTED_GROUPS = {"g5"}


def test_near_duplicates_stay_on_one_side() -> None:
    words = [f"word{letter}" for letter in "abcdefghijklmnop"]
    rows = []
    for n in range(60):
        text = [f"{w}{n}" for w in words]
        rows.append((" ".join(text), ["a"], None, n))
        rows.append((" ".join([*text[:-1], "changed"]), ["b"], None, n))
    splits = divided(frame(rows), by="cluster", validation=0.2, test=0.2)

    numbers = [{t.split()[0] for t in part["text"]} for part in splits.values()]
    assert sum(map(len, numbers)) == 60


@pytest.mark.parametrize("grouped", [True, False])
def test_rows_apart_from_others_are_no_copies_no_near_ones_and_of_none_of_their_groups(
    grouped: bool,
) -> None:
    text = "the quick brown fox jumps over the lazy dog and runs away from here"
    held = pl.DataFrame(
        {"id": ["a", "b"], "text": [text, None], "group": ["one" if grouped else None, None]},
        schema={"id": pl.String, "text": pl.String, "group": pl.String},
    )
    rows = pl.DataFrame(
        {
            "id": ["a", "copy", "near", "of its group", "other", "no group"],
            "text": ["x", text, f"{text} again", "y", "z", "w"],
            "group": ["two", "two", "two", "one", "two", None],
        }
    )

    left = apart_from(held, rows)["id"].to_list()

    assert left == [*([] if grouped else ["of its group"]), "other", "no group"]
    assert apart_from(held.drop("group"), rows.drop("group"))["id"][-1] == "no group"


def test_time_puts_the_past_into_train_and_one_moment_on_one_side() -> None:
    rows = frame([(f"text {n}", ["a"], None, n // 4) for n in range(100)])
    splits = divided(rows.sample(fraction=1, shuffle=True, seed=3), by="time", tune=0.1)

    order = [splits[name]["meta:when"] for name in ("train", "tune", "validation", "test")]
    for earlier, later in pairwise(order):
        assert earlier.max() < later.min()  # type: ignore[operator]
    assert splits["test"].height == pytest.approx(10, abs=4)


@pytest.mark.parametrize("counts", [(6, 3, 1), (2, 2, 16), (1, 1, 1)])
def test_three_moments_are_enough_for_three_splits(counts: tuple[int, ...]) -> None:
    times = [when for when, count in enumerate(counts) for _ in range(count)]
    splits = divided(frame([(f"text {n}", ["a"], None, t) for n, t in enumerate(times)]), by="time")
    assert [splits[name].height for name in ("train", "validation", "test")] == [*counts]


@pytest.mark.parametrize(
    "times",
    [
        ["9", "10", "11", "100"] * 5,
        ["2024-01-09", "2024-01-10", "2024-11-01", "2025-01-01"] * 5,
        [
            "2024-01-09T00:00:00Z",
            "2024-01-09T09:00:00Z",
            "2024-02-01T00:00:00Z",
            "2025-01-01T00:00:00Z",
        ]
        * 5,
    ],
)
def test_times_written_as_texts_are_ordered_by_what_they_mean(times: list[str]) -> None:
    rows = frame([(f"text {n}", ["a"], None, 0) for n in range(20)]).with_columns(
        pl.Series("meta:when", times)
    )
    splits = divided(rows, by="time", validation=0.25, test=0.25)
    assert set(splits["test"]["meta:when"]) == {times[3]}
    assert set(splits["validation"]["meta:when"]) == {times[2]}


def test_a_time_that_cannot_be_read_is_named_with_its_row() -> None:
    times = ["2024-01-01"] * 19 + ["soon"]
    rows = frame([(f"text {n}", ["a"], None, 0) for n in range(20)]).with_columns(
        pl.Series("meta:when", times)
    )
    with pytest.raises(SplitError, match=r"1 row\(s\).*'soon'") as caught:
        divided(rows, by="time")
    assert "f, row 20" in caught.value.where


def test_too_few_groups_are_told_with_what_would_be_empty() -> None:
    rows = frame([(f"text {n}", ["a"], f"g{n % 2}", 0) for n in range(20)])
    with pytest.raises(SplitError, match=r"20 training rows.*group"):
        divided(rows, by="group")


def test_three_equal_groups_are_enough_for_three_splits() -> None:
    rows = frame([(f"text {n}", ["a"], f"g{n % 3}", 0) for n in range(30)])
    assert [part.height for part in divided(rows, by="group").values()] == [10, 10, 10]


def test_splitting_by_group_without_a_group_column_names_the_key() -> None:
    rows = frame([(f"text {n}", ["a"], None, 0) for n in range(20)])
    with pytest.raises(SplitError) as caught:
        split_parts({"train": rows}, Split(by="group"), Data(from_="x"), SPACE)
    assert "data.group" in caught.value.fix


def test_nothing_is_carved_for_a_part_that_was_given() -> None:
    train = frame([(f"train {n}", ["a"], None, 0) for n in range(50)])
    given_test = frame([(f"test {n}", ["a"], None, 0) for n in range(9)])
    splits, entries = split_parts(
        {"train": train, "test": given_test}, Split(), Data(from_="x"), SPACE
    )

    assert {name: part.height for name, part in splits.items()} == {
        "train": 45,
        "validation": 5,
        "test": 9,
    }
    moved = {entry.split: entry.moved for entry in entries}
    assert moved == {"train": {"validation": 5}, "test": {}}

    given_validation = {"train": train, "validation": given_test}
    splits, _ = split_parts(given_validation, Split(), Data(from_="x"), SPACE)
    assert list(splits) == ["train", "validation"]  # and no test carved


def test_limit_is_balanced_counted_and_blind_to_the_order_of_rows() -> None:
    rows = [(f"rare {n}", ["a"], None, 0) for n in range(10)]
    rows += [(f"often {n}", ["b"], None, 0) for n in range(500)]
    rows += [(f"none {n}", [], None, 0) for n in range(500)]
    data, no_split = Data(from_="x", limit=110), Split(validation=0, test=0)

    def limited(rows: list[Any]) -> tuple[pl.DataFrame, Any]:
        made, entries = split_parts({"train": frame(rows)}, no_split, data, SPACE)
        return without_keys(made["train"]), entries[-1]

    kept, entry = limited(rows)
    assert dict(kept["labels"].list.join(",").value_counts().iter_rows()) == {
        "a": 10,
        "b": 50,
        "": 50,
    }
    assert (entry.stage, entry.rows_in, entry.kept) == ("limit", 1010, 110)
    assert entry.dropped == {"limit": 900}
    assert sorted(limited(rows[::-1])[0]["text"]) == sorted(kept["text"])
