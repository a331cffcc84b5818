"""A saved model scored on a file of labelled rows that its run never saw."""

from pathlib import Path

import polars as pl

from burnish.data.file_form import AS_LEARNED, FileForm
from burnish.data.integrity.rows import HAS_EMPTY_ANSWER
from burnish.data.load import load_part, with_text
from burnish.data.readers import stem_of
from burnish.data.reading import Reading
from burnish.data.settle import settle
from burnish.errors import LabelError, UsageError
from burnish.evaluation.groups import Groups, groups_of, units
from burnish.evaluation.score import score
from burnish.files import write_json
from burnish.pipeline.answer import OpenModel, answer_rows, counted, reading_recipe
from burnish.recipe.classification import ClassificationTask
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, Score, Space, TextSpace
from burnish.runfolder import RunFolder, write_predictions


def evaluate_file(
    model: OpenModel, path: Path, form: FileForm = AS_LEARNED, *, out: Path | None = None
) -> tuple[list[Score], str]:
    """Score the model on a labelled file; keep predictions and scores under `out`.

    Rows without a text or an answer are left out and counted in the words. Intervals are by whole
    groups where `form` names their column.

    Raises:
        UsageError: BN103, `out` is a run folder, whose own results would be overwritten.
        ColumnError: BN204, the label column is missing.
        LabelError: BN206, a label the model does not know.
    """
    _refuse_run_folder(out)
    recipe = reading_recipe(model, path, form)
    name, space = stem_of(path), model.space
    rows, read = load_part(name, [str(path)], Reading.of(recipe))
    settled = settle(_as_answered(recipe, space, rows), {"data": rows})[1]["data"]
    usable = _labelled(with_text(settled), space)
    _check_known(usable, space)
    answers = answer_rows(model, usable)
    groups = groups_of(usable, [one.example_id for one in answers])
    scores = score("tuned", name, answers, space, groups=groups)
    if out:
        write_predictions(out / "predictions" / f"tuned.{name}.jsonl", answers)
        write_json(out / "scores.json", [one.to_json() for one in scores])
    told = counted(read, usable, without="a text or a label")
    return scores, told + _of_groups(model, groups)


def _of_groups(model: OpenModel, groups: Groups | None) -> str:
    """Return, for the words, by what the intervals are; nothing where there is no choice."""
    if groups is not None:
        return f"; intervals by {units(len(groups), groups)} groups"
    own = model.recipe.data.group if model.recipe else None
    if own is None:
        return ""
    return (
        f"; intervals as if no two rows were alike: the model's run had groups by {own!r}, "
        "and --group-column names such a column of this file"
    )


def _refuse_run_folder(out: Path | None) -> None:
    if out and RunFolder(out).recipe.exists():
        raise UsageError(
            "a run is kept there, and its own scores and predictions would be overwritten",
            where=f"option --out ({out})",
            fix=f"name another folder, such as {out}-evaluated",
        )


def _as_answered(recipe: Recipe, space: Space, rows: pl.DataFrame) -> Recipe:
    """Return the recipe with the model's labels; before `collapse` where the rows are so."""
    task = recipe.task
    if not (isinstance(space, LabelSpace) and isinstance(task, ClassificationTask)):
        return recipe
    if task.collapse and not _names_alone(rows["raw_label"], space):
        return recipe
    known = {"labels": space.names, "multi_label": space.multi_label, "collapse": None}
    return recipe.model_copy(update={"task": task.model_copy(update=known)})


def _names_alone(raw: pl.Series, space: LabelSpace) -> bool:
    """Whether each row holds just one of the model's own names."""
    return raw.dtype == pl.String and set(raw.drop_nulls().unique()) <= set(space.names)


def _labelled(rows: pl.DataFrame, space: Space) -> pl.DataFrame:
    has_answer = pl.col("labels").is_not_null()
    if isinstance(space, TextSpace):  # as `burnish run` leaves them out by itself
        has_answer &= ~HAS_EMPTY_ANSWER
    return rows.filter(has_answer)


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
