"""Rivals that write: every one keeps the contract, and answers as its page says."""

import numpy as np
import polars as pl
import pytest

from burnish.errors import PredictionError, RecipeError, UnknownPluginError
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.baselines.base import Rows, from_frame
from burnish.evaluation.baselines.table import BASELINES, baseline_names, baselines_for
from burnish.records import LabelSpace, TextSpace

TEXTS = TextSpace()
CLASSES = LabelSpace(names=("a", "b", "c"), multi_label=False)


def rows_of(*pairs: tuple[str | None, list[str] | None]) -> Rows:
    frame = pl.DataFrame(
        {
            "id": [f"r{i}" for i in range(len(pairs))],
            "text": [text for text, _ in pairs],
            "labels": [answers for _, answers in pairs],
        },
        schema={"id": pl.String, "text": pl.String, "labels": pl.List(pl.String)},
    )
    return from_frame(frame, TEXTS)


def answers_of(name: str, train: Rows, *inputs: str | None) -> list[str]:
    [system] = baselines_for([name], TEXTS).values()
    system.fit(train, None, TEXTS, 0)
    return [p.answer[0] for p in system.predict(rows_of(*((text, ["-"]) for text in inputs)))]


TALKS = rows_of(
    ("my parcel is late", ["sorry, it is on its way", "on its way"]),
    ("I forgot my password", ["follow the link"]),
    ("the parcel came broken", ["we send a new one"]),
    ("please reset the password", ["follow the link"]),
)


def test_the_first_sentence_leads_cut_to_the_longest_training_answer() -> None:
    found = answers_of("lead", TALKS, "Hello there. It broke.", "a b c d e f g h", "", None)
    # "sorry, it is on its way" has six words.
    assert found == ["Hello there.", "a b c d e f", "", ""]


def test_the_nearest_input_lends_its_first_reply() -> None:
    found = answers_of("retrieval", TALKS, "parcel broken?", "PASSWORD forgot", "late parcel")
    assert found == ["we send a new one", "follow the link", "sorry, it is on its way"]


def test_of_equally_near_inputs_the_first_replies() -> None:
    train = rows_of(("x y", ["first"]), ("x y", ["second"]), ("z", ["third"]))
    assert answers_of("retrieval", train, "x", "z", "nothing known", "") == [
        "first",
        "third",
        "first",
        "first",
    ]


def test_inputs_without_a_word_are_answered_all_the_same() -> None:
    train = rows_of(("?!", ["first"]), ("", ["second"]))
    assert answers_of("retrieval", train, "?!", "word") == ["first", "first"]


def test_many_inputs_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = ["parcel broken?", "PASSWORD forgot", "late parcel", "reset"] * 5
    whole = answers_of("retrieval", TALKS, *inputs)
    monkeypatch.setattr("burnish.evaluation.baselines.retrieval._CELLS", 9)

    assert answers_of("retrieval", TALKS, *inputs) == whole


def test_the_majority_is_the_most_frequent_first_reference() -> None:
    assert answers_of("majority", TALKS, "anything") == ["follow the link"]
    tie = rows_of(("", ["b", "a"]), ("", ["a", "b"]))
    assert answers_of("majority", tie, "anything") == ["b"]


@pytest.mark.parametrize("name", baseline_names(TEXTS))
def test_every_rival_that_writes_gives_predictions_that_can_be_scored(name: str) -> None:
    [system] = baselines_for([name], TEXTS).values()
    system.fit(TALKS, None, TEXTS, 3)

    found = system.predict(TALKS)
    texts = from_predictions(found, TEXTS)

    assert texts.ids == TALKS.ids
    assert texts.references[0] == ("sorry, it is on its way", "on its way")
    assert not any(p.scores for p in found)
    assert found == system.predict(TALKS)


@pytest.mark.parametrize("name", baseline_names(TEXTS))
def test_rows_without_reference_are_answered_but_not_learnt_from(name: str) -> None:
    rows = rows_of(("goal", ["ball"]), ("a very long input indeed", None), (None, None))
    [system] = baselines_for([name], TEXTS).values()
    system.fit(rows, None, TEXTS, 0)

    assert [p.reference for p in system.predict(rows)] == [("ball",), None, None]
    with pytest.raises(PredictionError, match=r"none of 2 training row\(s\)"):
        system.fit(rows.take(np.array([1, 2])), None, TEXTS, 0)


def test_a_rival_that_does_not_fit_the_task_is_refused_with_those_that_do() -> None:
    with pytest.raises(RecipeError, match="lead, retrieval do not fit a multi-class task") as one:
        baselines_for(["majority", "lead", "retrieval"], CLASSES)
    with pytest.raises(RecipeError, match="tfidf-svm do not fit a text task") as other:
        baselines_for(["tfidf-svm"], TEXTS)
    with pytest.raises(UnknownPluginError, match="retreival"):
        baselines_for(["retreival"], TEXTS)

    assert one.value.fix == "use some of: frozen-encoder, lexglue-svm, majority, tfidf-svm"
    assert other.value.fix == "use some of: lead, majority, retrieval"


def test_every_rival_fits_some_task() -> None:
    assert {*baseline_names(TEXTS), *baseline_names(CLASSES)} == set(BASELINES.names())
