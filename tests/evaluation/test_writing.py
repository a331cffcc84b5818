"""Length, copying and repetition: shares worked by hand."""

import math

import numpy as np
import pytest

from burnish.evaluation.writing import Writing, word_counts, writing_of


def one(texts: list[str], inputs: list[str] | None, complete: list[float] | None = None) -> Writing:
    known = {} if complete is None else {"tuned": np.array(complete)}
    return writing_of({"tuned": texts}, inputs, known)["tuned"]


def test_runs_of_four_words_are_looked_for_in_the_input_and_in_the_answer_itself() -> None:
    # Runs: abcd bcde cdea deab eabc abcd: the last comes again; abcd twice and bcde are asked.
    found = one(["a B c, d e a b c d"], ["x A b c d e x"])

    assert found.words == 9
    assert found.repeated_runs == pytest.approx(1 / 6)
    assert found.copied_runs == pytest.approx(3 / 6)


def test_an_answer_is_copied_whole_if_it_stands_in_the_input_as_it_is() -> None:
    found = one(["the  cat", "The cat", "", "dog"], ["see the\ncat", "see the cat", "x", "do g"])
    assert found.copied_whole == 1 / 4


def test_answers_that_say_the_same_are_not_different_ones() -> None:
    found = one(["yes", "yes", "no", ""], None)

    assert found.distinct == 3 / 4
    assert found.empty == 1 / 4
    assert found.words == 1


def test_what_is_not_known_is_no_number() -> None:
    found = one(["a b c d e"], None)

    assert all(map(math.isnan, (found.hit_limit, found.copied_whole, found.copied_runs)))
    assert found.repeated_runs == 0
    assert math.isnan(one(["short"], ["short"]).copied_runs)


def test_the_limit_of_length_was_hit_where_an_answer_did_not_end_by_itself() -> None:
    assert one(["a", "b", "c", "d"], None, [1, 0, 1, 1]).hit_limit == 1 / 4
    assert math.isnan(one(["a", "b"], None, [1, math.nan]).hit_limit)


def test_runs_of_all_texts_count_together_and_systems_apart() -> None:
    found = writing_of(
        {"a": ["w x y z", "p q r s t"], "b": ["w x y z", "w x y z"]}, ["w x y z", "nothing"], {}
    )
    assert found["a"].copied_runs == pytest.approx(1 / 3)
    assert found["b"].copied_runs == 1 / 2


def test_words_are_runs_of_letters_and_digits() -> None:
    assert word_counts(["", "it's 2.5, ok?", "日本 語"]).tolist() == [0, 5, 2]
