"""Per-class table, confusion, slices and worst errors."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from burnish.errors import PredictionError
from burnish.evaluation.answers import Answers
from burnish.evaluation.per_class import NO_LABEL, confusion, per_class
from burnish.evaluation.slices import slice_of, slice_scores
from burnish.evaluation.worst_errors import worst_errors
from burnish.records import LabelSpace

CLASSES = LabelSpace(names=("x", "y", "z"), multi_label=False)
TAGS = LabelSpace(names=("a", "b"), multi_label=True)


def classed(
    truth: list[int], answer: list[int], scores: list[list[float]] | None = None
) -> Answers:
    return Answers(
        ids=tuple(map(str, range(len(truth)))),
        space=CLASSES,
        truth=np.eye(3, dtype=bool)[truth],
        answer=np.eye(3, dtype=bool)[answer],
        scores=np.full((len(truth), 3), np.nan) if scores is None else np.array(scores),
    )


def tagged(truth: list[list[int]], answer: list[list[int]]) -> Answers:
    return Answers(
        ids=tuple(map(str, range(len(truth)))),
        space=TAGS,
        truth=np.array(truth, dtype=bool),
        answer=np.array(answer, dtype=bool),
        scores=np.full((len(truth), 2), np.nan),
    )


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_the_class_table_and_confusion_equal_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    truth, answer = map(list, zip(*pairs, strict=True))
    table = per_class(classed(truth, answer), resamples=20)
    expected = precision_recall_fscore_support(truth, answer, labels=[0, 1, 2], zero_division=0)

    assert [c.precision for c in table] == pytest.approx(expected[0])
    assert [c.recall for c in table] == pytest.approx(expected[1])
    assert [c.f1 for c in table] == pytest.approx(expected[2])
    assert [c.support for c in table] == expected[3].tolist()
    assert np.array_equal(
        confusion(classed(truth, answer)), confusion_matrix(truth, answer, labels=[0, 1, 2])
    )


def test_a_class_without_rows_has_no_interval_and_writes_null() -> None:
    table = per_class(classed([0, 0, 1], [0, 1, 1]), resamples=50)

    assert table[0].low <= table[0].f1 <= table[0].high
    assert (table[2].support, table[2].f1) == (0, 0.0)
    assert table[2].to_json()["low"] is None


def test_the_multi_label_table_ends_with_rows_without_label() -> None:
    table = per_class(tagged([[1, 0], [0, 0], [0, 0]], [[1, 0], [0, 0], [0, 1]]), resamples=50)

    assert [c.label for c in table] == ["a", "b", NO_LABEL]
    assert (table[2].support, table[2].hits, table[2].answered) == (2, 1, 1)


def test_multi_label_confusion_worked_by_hand() -> None:
    a = tagged(
        [[1, 0], [1, 0], [1, 0], [0, 0], [0, 0], [1, 1]],
        [[1, 0], [0, 1], [0, 0], [0, 0], [0, 1], [1, 0]],
    )

    #                     a  b  no label   (columns: answered)
    assert confusion(a).tolist() == [
        [2, 1, 1],  # a: two hits, once taken for b, once missed
        [0, 0, 1],  # b: missed in the last row
        [0, 1, 1],  # no label: b given for nothing once, once rightly nothing
    ]


def test_every_row_falls_into_one_slice_and_nulls_have_their_own() -> None:
    a = classed([0, 1, 2, 0, 1], [0, 1, 1, 0, 0])
    column = pl.Series("meta:source", ["web", "app", None, "web", "app"])

    told = slice_scores("tuned", "test", a, column, metrics=["accuracy"], resamples=100)

    assert [(s.value, s.n, s.score) for s in told] == [
        ("app", 2, 0.5),
        ("web", 2, 1.0),
        ("(none)", 1, 0.0),
    ]
    assert told[0].column == "source"
    assert all(s.low <= s.score <= s.high for s in told if s.n > 1)
    assert np.isnan([told[-1].low, told[-1].high]).all()  # of one row


def test_a_slice_draws_the_groups_that_its_rows_are_of() -> None:
    right = np.arange(200) % 4 < 2  # pairs of rows, both right or both wrong
    a = classed([0] * 200, (~right).astype(int).tolist())
    half = pl.Series("meta:half", ["first"] * 100 + ["second"] * 100)
    pairs = np.arange(200) // 2

    alone, paired = (
        slice_scores("tuned", "test", a, half, metrics=["accuracy"], **draws)
        for draws in ({}, {"groups": pairs})
    )
    of_one = slice_scores("tuned", "test", a, half, metrics=["accuracy"], groups=pairs // 50)

    for one, two in zip(alone, paired, strict=True):
        assert two.high - two.low == pytest.approx(1.41 * (one.high - one.low), rel=0.15)
    assert all(np.isnan([part.low, part.high]).all() for part in of_one)


def test_many_numbers_and_dates_are_cut_into_quarters_of_the_rows() -> None:
    numbers = slice_of(pl.Series("n", [*map(float, range(100))]))
    days = slice_of(pl.Series("d", [date(2026, 1, 1) + timedelta(days=i) for i in range(40)]))

    assert sorted(set(numbers)) == ["1: 0 to 24", "2: 25 to 49", "3: 50 to 74", "4: 75 to 99"]
    assert {numbers.count(band) for band in set(numbers)} == {25}
    assert days[0] == "1: 2026-01-01 to 2026-01-10"


def test_many_names_keep_the_twelve_most_frequent() -> None:
    names = slice_of(pl.Series("n", [f"n{i:02}" for i in range(20) for _ in range(i + 1)]))

    assert len(set(names)) == 13
    assert names.count("(other)") == sum(range(1, 9))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=60))
def test_slicing_never_loses_a_row(values: list[int | None]) -> None:
    assert len(slice_of(pl.Series("n", values, dtype=pl.Int64))) == len(values)


def test_a_column_of_other_rows_is_refused() -> None:
    with pytest.raises(PredictionError, match="'n' has 1 values for 2 rows"):
        slice_scores("s", "v", classed([0, 1], [0, 1]), pl.Series("n", [1]), metrics=["accuracy"])


def test_the_surest_mistakes_come_first_and_right_answers_never() -> None:
    a = classed(
        [0, 0, 0, 1],
        [0, 1, 1, 2],
        [[0.9, 0.1, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0], [0.1, 0.3, 0.6]],
    )

    worst = worst_errors(a, {"2": "third text"}, limit=2)

    assert [e.id for e in worst] == ["2", "3"]
    assert (worst[0].text, worst[1].text) == ("third text", "")
    assert worst[0].loss == pytest.approx(-np.log(0.1))
    assert worst[0].scores == {"x": 0.1, "y": 0.9}
    assert worst[0].to_json()["truth"] == ["x"]


def test_without_scores_the_most_wrong_labels_come_first() -> None:
    a = tagged([[1, 0], [1, 0], [1, 1]], [[0, 0], [0, 1], [1, 1]])

    assert [(e.id, e.loss, e.scores) for e in worst_errors(a)] == [("1", 2.0, {}), ("0", 1.0, {})]
