"""The nodes that judge a run, for labels and for texts: rivals, scores, verdict."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from burnish.errors import RecipeError
from burnish.pipeline.nodes import evaluate
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, Prediction, Space, TextSpace
from burnish.tasks.base import TASKS

TEXTS = TextSpace()
PETS = LabelSpace(names=("cat", "dog"), multi_label=False, positive="dog")
WORDS = ("river", "stone", "cloud", "garden", "window", "letter")


def recipe_of(task: str, **evaluation: Any) -> Recipe:
    return Recipe.model_validate(
        {
            "task": {"kind": task},
            "model": "m",
            "data": {"train": "rows.jsonl"},
            "evaluation": {"resamples": 200} | evaluation,
        }
    )


def rows_of(n: int, seed: int, space: Space) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    notes = [" ".join(rng.choice(WORDS, 8)) for _ in range(n)]
    asked = [f"Please note this. It says {note} today." for note in notes]
    pets = [("dog" if "stone" in note else "cat") for note in notes]
    return pl.DataFrame(
        {
            "id": [f"{seed}:{i}" for i in range(n)],
            "text": asked,
            "labels": [[said] for said in (notes if space == TEXTS else pets)],
        }
    )


def judged(recipe: Recipe, space: Space, tuned: list[Prediction]) -> dict[str, Any]:
    """Run the nodes in their order, on validation rows that also chose the epoch."""
    splits = {"train": rows_of(200, 0, space), "validation": rows_of(80, 1, space)}
    rivals = evaluate.rivals(recipe, space)
    learned, asked = evaluate.rival_rows(splits, space, {}, "validation")
    beside = evaluate.rival_predictions(recipe, rivals, (learned, asked), space)
    predictions = evaluate.predictions({"validation": tuned}, {}, beside, "validation")
    answered = evaluate.answered(predictions, space)
    task = TASKS.get(recipe.task.kind).from_recipe(recipe.task, space)
    verdict = evaluate.verdict(recipe, answered, "validation", "validation", space, task, splits)
    return {"scores": evaluate.scores(recipe, answered, splits), "verdict": verdict}


def perfect(space: Space) -> list[Prediction]:
    rows = rows_of(80, 1, space)
    return [
        Prediction(example_id=key, answer=tuple(said), reference=tuple(said))
        for key, said in zip(rows["id"], rows["labels"].to_list(), strict=True)
    ]


def test_a_task_that_writes_is_judged_beside_rivals_that_write() -> None:
    found = judged(recipe_of("seq2seq"), TEXTS, perfect(TEXTS))

    assert found["verdict"]["verdict"] == "ship"
    assert found["verdict"]["metric"] == "rougeL"
    systems = {score.system for score in found["scores"]}
    assert systems == {"tuned", *recipe_of("seq2seq").rivals}
    [caveat] = found["verdict"]["caveats"]
    assert "also chose the epoch, so these numbers" in caveat


def test_a_task_of_labels_is_judged_by_the_same_nodes() -> None:
    found = judged(recipe_of("text-classification"), PETS, perfect(PETS))

    assert found["verdict"]["metric"] == "f1"
    assert {score.system for score in found["scores"]} == {"tuned", "majority", "tfidf-svm"}
    assert "also chose the epoch or the thresholds" in found["verdict"]["caveats"][0]


@pytest.mark.parametrize(
    ("task", "space", "name"),
    [("seq2seq", TEXTS, "tfidf-svm"), ("text-classification", PETS, "lead")],
)
def test_a_rival_that_does_not_fit_is_refused(task: str, space: Space, name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name} do not fit"):
        evaluate.rivals(recipe_of(task, baselines=(name,)), space)


def test_a_group_column_that_the_recipe_names_widens_the_intervals() -> None:
    recipe, rows = recipe_of("text-classification"), rows_of(80, 1, PETS)
    named = recipe.model_copy(update={"data": recipe.data.model_copy(update={"group": "page"})})
    grouped = rows.with_columns(group=pl.Series([f"page {i // 20}" for i in range(80)]))
    wrong = [p if i >= 20 else replace(p, answer=("cat",)) for i, p in enumerate(perfect(PETS))]
    answered = evaluate.answered({("tuned", "validation"): wrong}, PETS)

    plain, by_page = (
        {s.metric: s for s in evaluate.scores(one, answered, {"validation": grouped})}
        for one in (recipe, named)
    )

    width, wider = (s["accuracy"].high - s["accuracy"].low for s in (plain, by_page))
    assert wider > width
    assert plain["accuracy"].value == by_page["accuracy"].value
