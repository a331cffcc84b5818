"""A saved model on new rows: opened, and asked."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from burnish.data.conversation import TURNS
from burnish.data.file_form import AS_LEARNED, FileForm
from burnish.data.load import load_part, with_text
from burnish.data.readers import stem_of
from burnish.data.reading import Reading
from burnish.errors import DataFormatError, EmptyDataError, RunFolderError
from burnish.pipeline.context import fetchers
from burnish.recipe.load import load_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import LedgerEntry, Prediction, Space
from burnish.runfolder import RunFolder
from burnish.signs import is_whole
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
        DataFormatError: BN202, a text is none in UTF-8.
    """
    for number, text in enumerate(texts, 1):
        if not text.strip():
            raise EmptyDataError(
                "the text is empty", where=f"--text number {number}", fix="give some text"
            )
        if not is_whole(text):
            raise DataFormatError(
                "the text holds bytes that are none in UTF-8",
                where=f"--text number {number}",
                fix="give it in UTF-8, or in a file with --in and --encoding",
            )
    answers = model.answerer.answer(texts)
    return [replace(a, example_id=str(i)) for i, a in enumerate(answers, 1)]


def answer_file(
    model: OpenModel, path: Path, form: FileForm = AS_LEARNED
) -> tuple[list[Prediction], str]:
    """Return the answers to a file's rows, and in words what became of each row.

    Rows without text get no answer and are counted in the words.
    """
    recipe = reading_recipe(model, path, form)
    rows, read = load_part(stem_of(path), [str(path)], Reading.of(recipe, labelled=False))
    usable = with_text(rows)
    return answer_rows(model, usable), counted(read, usable, without="a text")


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


def reading_recipe(model: OpenModel, path: Path, form: FileForm) -> Recipe:
    """Return a recipe that reads just this file, for the task of the model."""
    task = model.answerer.task
    own = model.recipe.model_dump(mode="json", by_alias=True) if model.recipe else {}
    written = {
        "task": own.get("task", {"kind": str(task.to_json()["kind"])}),
        "model": "-",
        "data": form.section(path, own.get("data", {}), writes=task.writing is not None),
    }
    return Recipe.model_validate_json(json.dumps(written))


def counted(read: LedgerEntry, usable: pl.DataFrame, *, without: str) -> str:
    """Return in words what became of the rows that were read."""
    left = read.rows_in - usable.height
    return f"{read.rows_in} rows in = {usable.height} answered + {left} without {without}"
