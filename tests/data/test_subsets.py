"""Parts of the rows are nested, depend on content alone, and leave no class out."""

from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.subsets import ladder, nest
from burnish.errors import EmptyDataError
from burnish.records import LabelSpace, PlainSpace, Space

SPACE = LabelSpace(names=("a", "b", "c"), multi_label=False)


def rows(labels: list[str], groups: list[str | None] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"row {at}" for at in range(len(labels))],
            "text": [f"text {at}" for at in range(len(labels))],
            "labels": [[one] for one in labels],
            "group": groups or [None] * len(labels),
        },
        schema_overrides={"group": pl.String},
    )


def ids(frame: pl.DataFrame, size: int, *, space: Space = SPACE, seed: int = 0) -> set[str]:
    return set(frame.filter(pl.Series(nest(frame, space, seed=seed).part(size)))["id"])


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from("abc"), min_size=3, max_size=60),
    st.lists(st.integers(1, 70), min_size=2, max_size=5),
    st.integers(0, 50),
)
def test_a_smaller_part_is_contained_in_a_larger_one(
    labels: list[str], sizes: list[int], seed: int
) -> None:
    frame = rows(labels)
    parts = [ids(frame, size, seed=seed) for size in sorted(sizes)]

    for smaller, larger in pairwise(parts):
        assert smaller <= larger
    for size, part in zip(sorted(sizes), parts, strict=True):
        classes = len(set(labels))
        assert len(part) == min(len(labels), max(size, classes))


def test_the_order_of_rows_changes_nothing_and_the_seed_does() -> None:
    frame = rows(["a", "b", "c"] * 30)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=5)

    assert ids(frame, 20) == ids(shuffled, 20)
    assert ids(frame, 20) != ids(frame, 20, seed=1)


@settings(max_examples=25)
@given(st.integers(0, 99))
def test_the_smallest_part_has_a_row_of_every_class(seed: int) -> None:
    frame = rows(["a"] * 200 + ["b"] * 2 + ["c"])

    assert {"row 202"} < ids(frame, 3, seed=seed)
    assert {"row 200", "row 201"} & ids(frame, 3, seed=seed)


def test_classes_are_of_no_matter_where_answers_are_no_labels() -> None:
    assert len(ids(rows(["a", "b", "c"] * 9), 1, space=PlainSpace())) == 1


def test_rows_of_a_group_and_copies_of_a_text_stay_together() -> None:
    groups = [None if at < 6 else f"g{at // 5}" for at in range(60)]
    frame = rows(["a"] * 60, groups).with_columns(
        text=pl.when(pl.col("id").is_in(["row 0", "row 1"])).then(pl.lit("Same")).otherwise("text")
    )

    for size in (7, 20, 33, 50):
        part = frame.filter(pl.Series(nest(frame, SPACE, seed=3).part(size)))
        for group in set(groups[6:]):
            assert part.filter(group=group).height in (0, groups.count(group))
        assert part.filter(text="Same").height in (0, 2)


def test_each_size_is_twice_the_one_before() -> None:
    assert ladder(4000, 4, least=8) == (500, 1000, 2000, 4000)


def test_where_halving_goes_too_low_the_steps_are_smaller() -> None:
    assert ladder(100, 4, least=30) == (30, 45, 67, 100)


def test_too_few_rows_are_refused_with_the_reason() -> None:
    with pytest.raises(EmptyDataError, match=r"14 training rows are too few for 4 sizes"):
        ladder(14, 4, least=8)
