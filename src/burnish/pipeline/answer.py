"""A saved model on new rows: answers, and scores where the rows are labelled."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from burnish.data.conversation import TURNS
from burnish.data.load import load_part, with_text
from burnish.data.settle import settle
from burnish.errors import EmptyDataError, LabelError, RunFolderError
from burnish.evaluation.score import score
from burnish.files import write_json
from burnish.pipeline.context import fetchers
from burnish.recipe.classification import ClassificationTask
from burnish.recipe.load import load_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, LedgerEntry, Prediction, Score, Space
from burnish.runfolder import RunFolder, write_predictions
from burnish.training.modelfolder import Answerer
from burnish.training.sources import ModelSource, resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenModel:
    """A loaded model, and the recipe of its run where the model lies in a run folder."""

    answerer: Answerer
    recipe: Recipe | None
    name: str
    source: ModelSource

    @property
    def space(self) -> Space:
        """The labels the model answers with, or that it answers with texts."""
        return self.answerer.task.space


def open_model(reference: str, *, tracking_uri: str) -> OpenModel:
    """Load MODEL: run folder, model folder, hub id, or `models:/…` URI."""
    try:
        recipe = load_recipe(RunFolder.open(Path(reference)).recipe)
    except RunFolderError:
        recipe = None
    source = resolve(reference, fetchers=fetchers(tracking_uri))
    return OpenModel(
        answerer=Answerer.open(source),
        recipe=recipe,
        name=Path(reference).name,
        source=source,
    )


def answer_texts(model: OpenModel, texts: list[str]) -> list[Prediction]:
    """Return one answer a text, in order; ids are 1, 2, ….

    Raises:
        EmptyDataError: BN205, a text is empty.
    """
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise EmptyDataError(
                "the text is empty", where=f"--text number {number}", fix="give some text"
            )
    answers = model.answerer.answer(texts)
    return [replace(a, example_id=str(i)) for i, a in enumerate(answers, 1)]


def answer_file(
    model: OpenModel, path: Path, *, text_column: str | None
) -> tuple[list[Prediction], str]:
    """Return the answers to a file's rows, and in words what became of each row.

    Rows without text get no answer and are counted in the words.
    """
    recipe = reading_recipe(model, path, text_column=text_column, label_column=None)
    rows, read = load_part(
        path.stem, [str(path)], recipe.data, columns=recipe.columns, labelled=False
    )
    usable = with_text(rows)
    return answer_rows(model, usable), _told(read, usable)


def evaluate_file(
    model: OpenModel,
    path: Path,
    *,
    text_column: str | None,
    label_column: str | None,
    out: Path | None,
) -> tuple[list[Score], str]:
    """Score the model on a labelled file; keep predictions and scores under `out`.

    Raises:
        ColumnError: BN204, the label column is missing.
        LabelError: BN206, a label the model does not know.
    """
    recipe = reading_recipe(model, path, text_column=text_column, label_column=label_column)
    rows, read = load_part(path.stem, [str(path)], recipe.data, columns=recipe.columns)
    space = model.space
    rows = settle(_as_answered(recipe, space), {"data": rows})[1]["data"]
    usable = with_text(rows).filter(pl.col("labels").is_not_null())
    _check_known(usable, space)
    answers = answer_rows(model, usable)
    scores = score("tuned", path.stem, answers, space)
    if out:
        write_predictions(out / "predictions" / f"tuned.{path.stem}.jsonl", answers)
        write_json(out / "scores.json", [one.to_json() for one in scores])
    return scores, _told(read, usable)


def answer_rows(model: OpenModel, rows: pl.DataFrame) -> list[Prediction]:
    """Return one answer a canonical row, in order.

    Raises:
        EmptyDataError: BN205, there is none.
    """
    if rows.is_empty():
        raise EmptyDataError(
            "no row has a text", where="the file given", fix="name its column with --text-column"
        )
    known = [name for name in ("id", "text", "labels", TURNS) if name in rows.columns]
    return model.answerer.answer_rows(rows.select(known))


def reading_recipe(
    model: OpenModel, path: Path, *, text_column: str | None, label_column: str | None
) -> Recipe:
    """Return a recipe that reads just this file, with the columns of the model's own run."""
    kind = str(model.answerer.task.to_json()["kind"])
    values = model.recipe.model_dump(mode="json", by_alias=True) if model.recipe else {}
    own = values.get("data", {})
    text, answer = ("input", "output") if model.answerer.task.writing else ("text", "label")
    data = {
        "train": str(path),
        text: text_column or own.get(text, text),
        answer: label_column or own.get(answer, answer),
        "encoding": own.get("encoding", "utf-8"),
        "id": None,
    }
    task = values.get("task", {"kind": kind})
    return Recipe.model_validate_json(json.dumps({"task": task, "model": "-", "data": data}))


def _as_answered(recipe: Recipe, space: Space) -> Recipe:
    """Return the recipe with the model's labels, before `collapse` where the run used it."""
    task = recipe.task
    if not (isinstance(space, LabelSpace) and isinstance(task, ClassificationTask)):
        return recipe
    labels = task.labels if task.collapse else space.names
    section = task.model_copy(update={"labels": labels, "multi_label": space.multi_label})
    return recipe.model_copy(update={"task": section})


def _told(read: LedgerEntry, usable: pl.DataFrame) -> str:
    left = read.rows_in - usable.height
    return f"{read.rows_in} rows in = {usable.height} answered + {left} without a text or a label"


def _check_known(rows: pl.DataFrame, space: Space) -> None:
    if not isinstance(space, LabelSpace):
        return
    found = set(rows["labels"].explode(empty_as_null=False).to_list()) if rows.height else set()
    unknown = sorted(found - set(space.names))
    if unknown:
        raise LabelError(
            f"the model does not know {', '.join(map(repr, unknown[:5]))}",
            where="the file given",
            fix=f"use the model's labels: {', '.join(space.names)}",
        )
