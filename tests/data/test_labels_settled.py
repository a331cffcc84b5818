"""Raw labels become names: positions, names, lists, collapse; what does not fit is told."""

from typing import Any

import polars as pl
import pytest

from burnish.data.labels import settle_labels
from burnish.errors import BurnishError, ColumnError, LabelError
from burnish.recipe.classification import ClassificationTask
from burnish.records import LabelSpace


def part(labels: list[Any], dtype: Any = None) -> pl.DataFrame:
    count = len(labels)
    return pl.DataFrame(
        {
            "id": [f"f:{n}" for n in range(1, count + 1)],
            "text": [f"text {n}" for n in range(count)],
            "raw_label": pl.Series(labels, dtype=dtype),
            "group": pl.Series([None] * count, dtype=pl.String),
            "file": ["f"] * count,
            "row": list(range(1, count + 1)),
        }
    )


def settle(raw: list[Any], **task: Any) -> tuple[LabelSpace, list[Any]]:
    dtype = pl.List(pl.String) if any(isinstance(v, list) for v in raw) else pl.String
    space, parts = settle_labels(
        ClassificationTask(**task), {"train": part(raw, dtype)}, label_column="label"
    )
    return space, parts["train"]["labels"].to_list()


def test_numbers_are_positions_in_the_list_of_names() -> None:
    space, labels = settle(["1", "0", "2"], labels=("bad", "fair", "good"))
    assert labels == [["fair"], ["bad"], ["good"]]
    assert space == LabelSpace(names=("bad", "fair", "good"), multi_label=False)


def test_names_that_are_numbers_are_names_not_positions() -> None:
    _, labels = settle(["1", "2", "3"], labels=("3", "2", "1"))
    assert labels == [["1"], ["2"], ["3"]]


@pytest.mark.parametrize("stray", ["0", "0.0"])
def test_a_number_that_is_no_name_among_numbers_is_unknown_and_no_position(stray: str) -> None:
    _, labels = settle(["1", "2", stray], labels=("1", "2", "3"))
    assert labels == [["1"], ["2"], [stray]]


def test_whole_numbers_and_truth_values_may_be_written_as_tables_write_them() -> None:
    assert settle(["1.0", "0.0"], labels=("bad", "good"))[1] == [["good"], ["bad"]]
    assert settle(["1.0", "0.00"], labels=("1", "0"))[1] == [["1"], ["0"]]
    assert settle(["True", "False"], labels=("false", "true"))[1] == [["true"], ["false"]]
    assert settle(["1.0", "0.5"], labels=("bad", "good"))[1] == [["good"], ["0.5"]]


def test_a_name_that_looks_like_a_number_of_a_table_stays_that_name() -> None:
    assert settle(["1.0", "2.0"], labels=("2.0", "1.0"))[1] == [["1.0"], ["2.0"]]
    assert settle(["1.0", "2.0"])[0].names == ("1.0", "2.0")


def test_names_are_taken_from_the_training_rows_sorted_by_value() -> None:
    assert settle(["10", "9", "2"])[0].names == ("2", "9", "10")
    assert settle(["b", "a", "10"])[0].names == ("10", "a", "b")


def test_names_that_are_one_number_have_an_order_of_their_own() -> None:
    for raw in (["001", "1", "01", "0001", "2"], ["2", "0001", "01", "1", "001"]):
        assert settle(raw)[0].names == ("0001", "001", "01", "1", "2")


def test_a_label_of_thousands_of_digits_is_a_name_as_any_other() -> None:
    long = "9" * 5_000
    assert settle(["1", "2", long])[0].names == ("1", "2", long)
    assert settle(["a", "b", long], labels=("a", "b"))[1] == [["a"], ["b"], [long]]


@pytest.mark.parametrize("twin", ["spam ", " spam", "spam\u200a", "caf\u0065\u0301"])
def test_labels_that_only_look_alike_are_refused_rather_than_learned_as_two(twin: str) -> None:
    raw = ["spam", "caf\u00e9", twin]
    with pytest.raises(LabelError, match="differ in white space or Unicode form alone") as caught:
        settle(raw)
    assert ascii(twin) in caught.value.what  # what cannot be seen is written out
    assert settle(raw, labels=tuple(raw))[0].names == tuple(raw)


def test_two_classes_make_a_binary_task_whose_positive_class_is_the_last() -> None:
    assert settle(["no", "yes"])[0].positive == "yes"
    assert settle(["no", "yes"], positive="no")[0].positive == "no"
    assert settle(["a", "b", "c"])[0].positive is None


def test_a_list_column_is_multi_label_with_distinct_labels_in_class_order() -> None:
    space, labels = settle([["b", "a", "b"], [], None, ["c"]])
    assert space == LabelSpace(names=("a", "b", "c"), multi_label=True)
    assert labels == [["a", "b"], [], None, ["c"]]


def test_collapse_makes_any_label_positive_and_none_negative() -> None:
    collapse = {"positive": "unfair", "negative": "fair"}
    space, labels = settle([["0", "1"], [], ["1"]], labels=("x", "y"), collapse=collapse)
    assert space == LabelSpace(names=("fair", "unfair"), multi_label=False, positive="unfair")
    assert labels == [["unfair"], ["fair"], ["unfair"]]


def test_unknown_labels_are_kept_for_the_check_to_find_even_under_collapse() -> None:
    assert settle([["0", "9"], []], labels=("x", "y"))[1][0] == ["x", "9"]
    collapse = {"positive": "p", "negative": "n"}
    assert settle([["0", "9"], [], ["1"]], labels=("x", "y"), collapse=collapse)[1][0] == ["9"]


def test_empty_cells_are_no_label_in_a_multi_label_csv_and_a_gap_otherwise() -> None:
    assert settle(["a", None, "b"], multi_label=True)[1] == [["a"], [], ["b"]]
    assert settle(["a", None, "b"])[1] == [["a"], None, ["b"]]


def test_lists_written_as_text_are_read_in_json_and_in_python_form() -> None:
    space, labels = settle(['["a", "b"]', "[]", "['b']"])
    assert space.multi_label
    assert labels == [["a", "b"], [], ["b"]]


@pytest.mark.parametrize("empty", ["", None])
def test_empty_cells_among_written_lists_are_no_label_where_the_task_is_multi_label(
    empty: str | None,
) -> None:
    cells = ['["a", "b"]', empty, "[]", '["a"]']
    assert settle(cells, multi_label=True)[1] == [["a", "b"], [], [], ["a"]]
    assert settle(cells)[1] == [["a", "b"], None, [], ["a"]]


def test_written_lists_may_hold_whole_floats_and_truth_values_but_no_other_number() -> None:
    assert settle(["[1.0]", "[true, 0]"])[1] == [["1"], ["0", "true"]]
    with pytest.raises(BurnishError, match=r"'\[0.5\]', which is no list of labels"):
        settle(["[0.5]", "[1]"])


def test_a_list_of_one_empty_name_is_not_an_empty_list() -> None:
    _, labels = settle([[], [""], ["a"]])
    assert labels == [[], [""], ["a"]]


@pytest.mark.parametrize(
    ("labels", "task", "words"),
    [
        (["x", "x"], {}, "same answer: x"),
        ([[], []], {}, "same answer: no label"),
        ([["a"], ["a", "b"]], {"multi_label": False}, "1 row(s) have no label or several"),
        (["a", "b"], {"collapse": {}}, "collapse"),
        ([f"label {n}" for n in range(100)], {}, "100 distinct labels in 100 rows"),
        (["a", "b"], {"positive": "c"}, "'c'"),
        ([None, None], {}, "empty in every row"),
    ],
)
def test_labels_that_make_no_task_are_refused_with_the_values(
    labels: list[Any], task: dict[str, Any], words: str
) -> None:
    with pytest.raises(LabelError) as caught:
        settle(labels, **task)
    assert words in caught.value.what


def test_lists_in_one_part_and_single_labels_in_another_are_refused() -> None:
    parts = {"train": part([["a"], ["b"]]), "test": part(["a"])}
    with pytest.raises(ColumnError, match="lists in train and single labels in test"):
        settle_labels(ClassificationTask(), parts, label_column="label")


def test_a_control_character_that_would_join_labels_is_refused() -> None:
    with pytest.raises(BurnishError, match=r"U\+001F"):
        settle([["a\x1fb"], ["a", "b"]])


def test_a_written_list_that_is_none_names_file_and_row() -> None:
    with pytest.raises(BurnishError, match="no list of labels") as caught:
        settle(["[a]", "['b']"])
    assert caught.value.where == "f, row 1"
