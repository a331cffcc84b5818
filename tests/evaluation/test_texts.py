"""Written answers made ready to be judged, and told from labels where no model says which."""

import math

import numpy as np
import pytest

from burnish.errors import PredictionError
from burnish.evaluation.answered import align
from burnish.evaluation.answers import from_predictions, infer_space
from burnish.evaluation.spaces import space_from_json
from burnish.records import LabelSpace, Prediction, Space, TextSpace


def wrote(
    name: str, answer: tuple[str, ...], reference: tuple[str, ...] | None, **scores: float
) -> Prediction:
    return Prediction(example_id=name, answer=answer, reference=reference, scores=scores)


def test_written_answers_keep_their_order_references_and_scores() -> None:
    texts = from_predictions(
        [
            wrote("1", ("a cat",), ("a cat", "one cat"), log_likelihood=-4.5, tokens=3, complete=0),
            wrote("2", ("",), ("a dog",)),
        ],
        TextSpace(),
    )

    assert texts.ids == ("1", "2")
    assert texts.answers == ("a cat", "")
    assert texts.references == (("a cat", "one cat"), ("a dog",))
    assert (texts.log_likelihood[0], texts.tokens[0], texts.complete[0]) == (-4.5, 3, 0)
    assert np.isnan([texts.log_likelihood[1], texts.tokens[1], texts.complete[1]]).all()


def test_an_answer_is_right_if_it_is_any_reference_but_for_white_space_around() -> None:
    rows = [
        wrote("1", (" one cat\n",), ("a cat", "one cat ")),
        wrote("2", ("One cat",), ("one cat",)),
    ]
    assert from_predictions(rows, TextSpace()).correct.tolist() == [True, False]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([], "no predictions to score"),
        ([wrote("7", ("a",), None)], r"1 of 1 prediction\(s\) have no reference; first: id '7'"),
        ([wrote("7", ("a",), ("a",))] * 2, "id '7' comes more than once"),
        ([wrote("7", ("a", "b"), ("a",))], "id '7' has 2 answers; a written answer is one text"),
        ([wrote("7", (), ("a",))], "has 0 answers"),
        ([wrote("7", ("a",), ())], "no accepted text"),
        ([wrote("7", ("a",), ("a",), yes=0.5)], "a score called 'yes'"),
        ([wrote("7", ("a",), ("a",), tokens=5)], "only one of `log_likelihood` and `tokens`"),
        ([wrote("7", ("a",), ("a",), log_likelihood=2.0, tokens=5)], "log-likelihood of 2.0"),
        ([wrote("7", ("a",), ("a",), log_likelihood=math.nan, tokens=5)], "log-likelihood of nan"),
        ([wrote("7", ("a",), ("a",), log_likelihood=-2.0, tokens=0)], "over 0 tokens"),
        (
            [wrote("7", ("a",), ("a",), log_likelihood=-2.0, tokens=3, top1=2, top5=1)],
            "has `top1` 2, `top5` 1 of 3 tokens; it is 0 ≤ top1 ≤ top5 ≤ tokens",
        ),
        ([wrote("7", ("a",), ("a",), top5=1)], "`top5` 1 of 0 tokens"),
        ([wrote("7", ("a",), ("a",), complete=0.5)], "`complete` 0.5; it is 0 or 1"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_row_and_the_reason(
    rows: list[Prediction], complaint: str
) -> None:
    with pytest.raises(PredictionError, match=complaint) as caught:
        from_predictions(rows, TextSpace(), where="predictions/tuned.test.jsonl")

    assert "predictions/tuned.test.jsonl" in str(caught.value)
    assert caught.value.fix


def test_systems_are_aligned_by_id_and_never_on_other_rows_or_references() -> None:
    a = from_predictions([wrote("1", ("x",), ("r",)), wrote("2", ("y",), ("s",))], TextSpace())
    b = a.take([1, 0])
    other = from_predictions([wrote("1", ("x",), ("r",)), wrote("2", ("y",), ("t",))], TextSpace())
    labels = LabelSpace(names=("r", "s", "x", "y"), multi_label=False)
    named = from_predictions([wrote("1", ("x",), ("r",)), wrote("2", ("y",), ("s",))], labels)

    assert align(a, b)[1].answers == ("x", "y")
    with pytest.raises(PredictionError, match=r"1 only in the first, 0 only in the second.*'2'"):
        align(a, a.take([0]))
    with pytest.raises(PredictionError, match=r"1 row\(s\) have another reference.*'s'.*'t'"):
        align(a, other)
    with pytest.raises(PredictionError, match="free texts against r, s, x, y"):
        align(a, named)  # type: ignore[type-var]


def test_figures_of_a_pair_are_found_once_and_follow_their_rows() -> None:
    asked: list[str] = []

    def letters(answer: str, references: tuple[str, ...]) -> tuple[float, float]:
        asked.append(answer)
        return len(answer), len(references)

    texts = from_predictions(
        [wrote("1", ("one",), ("r",)), wrote("2", ("three",), ("s", "t"))], TextSpace()
    )

    assert texts.per_row(letters).tolist() == [[3, 1], [5, 2]]
    assert texts.take([1, 1, 0]).per_row(letters).tolist() == [[5, 2], [5, 2], [3, 1]]
    assert asked == ["one", "three"]
    # Handed out to other rows they are other pairs.
    assert texts.shuffled(np.array([1, 0])).per_row(letters).tolist() == [[3, 2], [5, 1]]


def test_answers_handed_out_to_other_rows_lose_the_likelihood_of_their_own_reference() -> None:
    texts = from_predictions(
        [wrote(i, (i,), (i,), log_likelihood=-1.0, tokens=1) for i in ("1", "2")], TextSpace()
    )
    shuffled = texts.shuffled(np.array([1, 0]))

    assert shuffled.references == (("2",), ("1",))
    assert np.isnan(shuffled.log_likelihood).all()
    assert np.isnan(shuffled.tops).all()


SCORED = {"log_likelihood": -3.0, "tokens": 2.0, "complete": 1.0}


@pytest.mark.parametrize(
    ("why", "rows"),
    [
        ("texts have likelihoods", [wrote(i, ("yes",), ("no",), **SCORED) for i in "123"]),
        (
            "one of two files has likelihoods",
            [wrote("1", ("yes",), ("no",), **SCORED), wrote("2", ("yes",), ("no",))],
        ),
        (
            "references of several words do not come again",
            [wrote(i, ("a short note",), (f"note {i} of today",)) for i in "123"],
        ),
        (
            "a few references may come again",
            [wrote(str(i), ("x y",), (f"note {max(0, i - 2)} of today",)) for i in range(9)],
        ),
        (
            "one accepted text of several may come again",
            [wrote(i, ("so it is",), (f"note {i} of today", f"{i} it is", "fine")) for i in "1234"],
        ),
    ],
)
def test_files_that_come_alone_are_taken_for_texts(why: str, rows: list[Prediction]) -> None:
    assert infer_space(rows[:1], rows[1:]) == TextSpace(), why


@pytest.mark.parametrize(
    ("why", "rows"),
    [
        ("labels have probabilities", [wrote("1", ("a b",), ("c d",), **{"a b": 0.9, "c d": 0.1})]),
        (
            "labels come again",
            [wrote(str(i), ("no label",), (f"label {i % 4}",)) for i in range(12)],
        ),
        ("single words", [wrote(i, (i,), (f"class-{i}",)) for i in "123"]),
        ("a row without any", [wrote("1", (), ("a b",)), wrote("2", ("a b",), ("c d",))]),
        ("a row of several", [wrote("1", ("a b", "c d"), ("a b",))]),
        ("a row that should have none", [wrote("1", ("a b",), ())]),
    ],
)
def test_files_that_come_alone_are_taken_for_labels(why: str, rows: list[Prediction]) -> None:
    assert isinstance(infer_space(rows), LabelSpace), why


@pytest.mark.parametrize(
    "space",
    [TextSpace(), LabelSpace(names=("a", "b"), multi_label=False, positive="b")],
)
def test_a_space_of_either_kind_reads_back_what_was_written(space: Space) -> None:
    assert space_from_json({**space.to_json(), "kind": "any"}) == space


@pytest.mark.parametrize("value", [None, "texts", [], {}, {"labels": []}])
def test_what_tells_no_space_is_none(value: object) -> None:
    assert space_from_json(value) is None
