"""Signals that ask a model: what is asked, of which rows, and what is said of the others."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from burnish.data.signals import library, modelled
from burnish.data.signals.modelled import Answers
from burnish.errors import DataNotFoundError, SignalError
from burnish.pipeline.signal_models import RecipeModels
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.records import Prediction
from burnish.runfolder import write_predictions


def said(**scores: float) -> Prediction:
    best = max(scores, key=lambda name: scores[name])
    return Prediction(example_id="x", answer=(best,), reference=None, scores=scores)


class Told:
    """Models that say what a test told them to."""

    def __init__(self, answers: dict[str, list[Prediction | None]], *, exclusive: bool) -> None:
        self._answers, self._exclusive = answers, exclusive

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        return [len(text) for text in texts]

    def vectors(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:  # noqa: ARG002
        angles = np.array([float(text) for text in texts], np.float32) * math.pi / 180
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def answers(self, system: str, rows: pl.DataFrame) -> Answers:  # noqa: ARG002
        return Answers(found=self._answers[system], exclusive=self._exclusive)


def told(exclusive: bool = True, **answers: list[Prediction | None]) -> Told:
    return Told(answers, exclusive=exclusive)


def rows(*texts: str | None) -> pl.DataFrame:
    ids = [str(at) for at in range(len(texts))]
    return pl.DataFrame({"id": ids, "text": texts}, schema_overrides={"text": pl.String})


def test_tokens_are_counted_and_those_of_nothing_are_not_known() -> None:
    signal = modelled.tokens("n", told())

    assert signal.read(rows("abc", None, "")).to_list() == [3, None, 0]


def test_the_likest_example_counts() -> None:
    signal = modelled.similar("s", told(), ["0", "90"], model="m")

    found = signal.read(rows("60", " ", None, "180", "90")).to_list()

    assert found == pytest.approx([math.cos(math.pi / 6), None, None, 0, 1], abs=1e-6)


@pytest.mark.parametrize(
    ("exclusive", "measure", "expected"),
    [
        (True, "confidence", [0.9, None, 0.5]),
        (True, "entropy", [0.325083, None, math.log(2)]),
        (False, "confidence", [0.9, None, 0.5]),  # the least sure of all its yes and no
        (False, "entropy", [0.325083, None, math.log(2)]),
    ],
)
def test_certainty_by_hand(exclusive: bool, measure: Any, expected: list[float | None]) -> None:
    models = told(exclusive, run=[said(a=0.9, b=0.1), None, said(a=0.5, b=0.5)])

    found = modelled.certainty("c", models, "run", measure=measure).read(rows("x", "", "z"))

    assert found.to_list() == pytest.approx(expected, abs=1e-6)


def test_several_labels_are_as_sure_as_the_least_sure_of_them() -> None:
    models = told(False, run=[said(a=0.9, b=0.8, c=0.4)])

    assert modelled.certainty("c", models, "run").read(rows("x")).to_list() == [0.6]


def test_a_system_without_probabilities_cannot_be_sure() -> None:
    models = told(run=[Prediction(example_id="7", answer=("a text",), reference=None)])

    with pytest.raises(SignalError, match="no probability for each label") as caught:
        modelled.certainty("c", models, "run").read(rows("x"))
    assert caught.value.where == "signal `c`, row 7"


def test_systems_disagree_where_their_answers_differ() -> None:
    first = [said(a=1.0, b=0.0), said(a=0.0, b=1.0), None]
    second = [said(a=0.6, b=0.4), said(a=0.6, b=0.4), said(a=0.6, b=0.4)]

    found = modelled.disagreement("d", told(one=first, two=second), ("one", "two"))

    assert found.read(rows("x", "y", "z")).to_list() == [False, True, None]


def test_without_models_it_is_said_that_one_is_needed() -> None:
    with pytest.raises(SignalError, match="none can be opened here"):
        modelled.tokens("n", None).read(rows("x"))


def test_texts_that_nearly_repeat_those_of_a_file_are_found(tmp_path: Path) -> None:
    known = "one two three four five six seven eight nine ten eleven twelve"
    lines = [{"said": known}, {"said": "x"}, {"said": None}]
    (tmp_path / "known.jsonl").write_text("\n".join(map(json.dumps, lines)), "utf-8")
    asked = rows(known, f"{known} more", "x", "y", None, "one two three")

    signal = library.near_duplicate("k", str(tmp_path / "known.jsonl"), of_column="said")

    assert signal.read(asked).to_list() == [True, True, True, False, None, False]


def test_a_file_of_known_texts_that_is_not_there_is_told_as_such(tmp_path: Path) -> None:
    signal = library.near_duplicate("k", str(tmp_path / "none.jsonl"))

    with pytest.raises(DataNotFoundError, match="no such file"):
        signal.read(rows("x"))


@pytest.fixture
def models() -> RecipeModels:
    """The models of a recipe that starts from the starter encoder."""
    written = {
        "task": {"labels": ["a", "b"]},
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "data": {"from": "-"},
    }
    return RecipeModels(validate(Document(written, {}, "a recipe")))


def test_the_recipes_own_tokenizer_counts(models: RecipeModels) -> None:
    assert models.token_counts(["the shoe is good", "unbelievably"]) == [4, 5]
    assert models.token_counts([]) == []


def test_a_sentence_is_likest_to_one_that_means_the_same(models: RecipeModels) -> None:
    examples = ["The shoes are comfortable.", "We may terminate your account."]
    signal = modelled.similar("s", models, examples[:1], model=models._recipe.model)

    near, far = signal.read(rows("These sneakers feel great.", examples[1])).to_list()

    assert 0.5 < near <= 1
    assert far < 0.3


def test_a_file_of_predictions_answers_for_the_rows_it_has(
    models: RecipeModels, tmp_path: Path
) -> None:
    path = tmp_path / "tuned.test.jsonl"
    known = [
        Prediction(example_id=key, answer=("a",), reference=None, scores={"a": p, "b": 1 - p})
        for key, p in (("2", 0.8), ("0", 0.7))
    ]
    write_predictions(path, known)

    found = models.answers(str(path), rows("x", "y", "z"))

    assert found.exclusive
    assert [one and one.scores["a"] for one in found.found] == [0.7, None, 0.8]
