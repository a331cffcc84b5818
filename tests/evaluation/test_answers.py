from pathlib import Path

import numpy as np
import pytest

from burnish.errors import PredictionError, RunFolderError
from burnish.evaluation.answered import align
from burnish.evaluation.answers import from_predictions, infer_space, read
from burnish.records import LabelSpace, Prediction
from burnish.runfolder import write_predictions

ANIMALS = LabelSpace(names=("cat", "dog", "owl"), multi_label=False)
TAGS = LabelSpace(names=("a", "b"), multi_label=True)


def said(
    name: str, answer: tuple[str, ...], reference: tuple[str, ...] | None, **scores: float
) -> Prediction:
    return Prediction(example_id=name, answer=answer, reference=reference, scores=scores)


def test_predictions_become_arrays_in_the_order_of_rows_and_labels() -> None:
    answers = from_predictions(
        [said("1", ("dog",), ("cat",), cat=0.2, dog=0.7, owl=0.1), said("2", ("owl",), ("owl",))],
        ANIMALS,
    )

    assert answers.ids == ("1", "2")
    assert answers.truth.tolist() == [[True, False, False], [False, False, True]]
    assert answers.answer.tolist() == [[False, True, False], [False, False, True]]
    assert answers.correct.tolist() == [False, True]
    assert answers.scores[0].tolist() == [0.2, 0.7, 0.1]
    assert np.isnan(answers.scores[1]).all()
    assert not answers.has_scores


def test_a_file_that_was_written_reads_back_as_the_same_answers(tmp_path: Path) -> None:
    rows = [said("1", ("a", "b"), (), a=0.9, b=0.6), said("2", (), ("b",), a=0.1, b=0.3)]
    write_predictions(tmp_path / "tuned.test.jsonl", rows)

    back = read(tmp_path / "tuned.test.jsonl", TAGS)

    assert np.array_equal(back.truth, from_predictions(rows, TAGS).truth)
    assert np.array_equal(back.scores, from_predictions(rows, TAGS).scores)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ([], "no predictions to score"),
        ([said("7", ("cat",), None)], r"1 of 1 prediction\(s\) have no reference; first: id '7'"),
        ([said("7", ("cat",), ("cat",))] * 2, "id '7' comes more than once"),
        ([said("7", ("cow",), ("cat",))], "label 'cow' of id '7' is not one of .* cat, dog, owl"),
        ([said("7", ("cat",), ("cow",))], "label 'cow'"),
        ([said("7", ("cat",), ("cat",), cow=0.5)], "label 'cow'"),
        ([said("7", ("cat", "dog"), ("cat",))], "not exactly one label in their answer"),
        ([said("7", ("cat",), ())], "not exactly one label in their reference; first: id '7'"),
        ([said("7", ("cat",), ("cat",), cat=1.2)], "score that is no probability; first: id '7'"),
        ([said("7", ("cat",), ("cat",), cat=float("nan"))], "score that is no probability"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_the_row_and_the_reason(
    rows: list[Prediction], complaint: str
) -> None:
    with pytest.raises(PredictionError, match=complaint) as caught:
        from_predictions(rows, ANIMALS, where="predictions/tuned.test.jsonl")

    assert "predictions/tuned.test.jsonl" in str(caught.value)
    assert caught.value.fix


def test_an_empty_file_and_an_absent_one_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")

    with pytest.raises(PredictionError, match="no predictions"):
        read(tmp_path / "empty.jsonl", ANIMALS)
    with pytest.raises(RunFolderError, match="cannot be read"):
        read(tmp_path / "absent.jsonl", ANIMALS)


def test_systems_are_aligned_by_id_whatever_their_order() -> None:
    a = from_predictions([said("1", ("cat",), ("cat",)), said("2", ("dog",), ("owl",))], ANIMALS)
    b = from_predictions([said("2", ("owl",), ("owl",)), said("1", ("owl",), ("cat",))], ANIMALS)

    same, moved = align(a, b)

    assert same.ids == moved.ids == ("1", "2")
    assert moved.correct.tolist() == [False, True]


def test_systems_on_other_rows_references_or_labels_are_not_compared() -> None:
    a = from_predictions([said("1", ("cat",), ("cat",)), said("2", ("dog",), ("owl",))], ANIMALS)
    fewer = a.take([0])
    other = from_predictions(
        [said("1", ("cat",), ("dog",)), said("2", ("dog",), ("owl",))], ANIMALS
    )
    tags = from_predictions([said("1", (), ()), said("2", (), ())], TAGS)

    with pytest.raises(PredictionError, match=r"1 only in the first, 0 only in the second.*'2'"):
        align(a, fewer)
    with pytest.raises(PredictionError, match=r"1 row\(s\) have another reference.*\['cat'\]"):
        align(a, other)
    with pytest.raises(PredictionError, match="label spaces differ"):
        align(a, tags)


def test_a_space_is_inferred_from_files_that_come_alone() -> None:
    binary = [said("1", ("spam",), ("ham",)), said("2", ("ham",), ("ham",))]
    many = [said("1", ("x", "y"), ("y",)), said("2", (), ("z",))]

    assert infer_space(binary) == LabelSpace(
        names=("ham", "spam"), multi_label=False, positive="spam"
    )
    assert infer_space(many) == LabelSpace(names=("x", "y", "z"), multi_label=True)
