"""Raw answers → what a task answers with: names of classes, or texts.

One door for both, so that all later stages see one canonical frame: `labels` (List(String)) in
place of `raw_label`, and a space that says what stands in it.

Called after `burnish.data.load`; labels are settled by `burnish.data.labels`.
"""

import polars as pl

from burnish.data.labels import Parts, settle_labels
from burnish.errors import LabelError
from burnish.recipe.classification import ClassificationTask
from burnish.recipe.recipe import Recipe
from burnish.records import PlainSpace, Space, TextSpace


def settle(recipe: Recipe, parts: Parts) -> tuple[Space, Parts]:
    """Return what the task answers with, and the parts with `labels` for `raw_label`.

    Raises:
        LabelError: BN206. ColumnError: BN204. See `settle_labels` and `settle_answers`.
    """
    if isinstance(recipe.task, ClassificationTask):
        return settle_labels(recipe.task, parts, label_column=recipe.data.label)
    if recipe.task.asked == "nothing":
        return PlainSpace(), {name: _unasked(frame) for name, frame in parts.items()}
    return settle_answers(parts, answer_column=recipe.columns.answer)


def settle_answers(parts: Parts, *, answer_column: str | None) -> tuple[TextSpace, Parts]:
    """Return the space of texts, and the parts with `labels` (List(String) | null).

    A row's texts are the accepted ones, in the order of the file. A row without any, such as an
    empty list, has null; an empty text is kept for the check `empty-answer` to count.

    Args:
        parts: canonical rows with raw answers, as `burnish.data.load` makes them.
        answer_column: the column's name in the files, for error messages; None: answers are what
            an assistant says last.

    Raises:
        LabelError: BN206, no row of any part has an answer.
    """
    settled = {name: _settled(frame) for name, frame in parts.items()}
    if not any(frame["labels"].count() for frame in settled.values()):
        what = f"column {answer_column!r} is empty in every row"
        raise LabelError(
            what if answer_column else "no conversation ends with a message of an assistant",
            where=f"parts {', '.join(parts)}",
            fix="name the column with the answers in `data.output`",
        )
    return TextSpace(), settled


def settle_alone(recipe: Recipe, frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows with `labels` for `raw_label`, as far as it can be told without other rows.

    That is all of it, except for classes: those depend on what the other rows hold, and their
    `labels` are null here.
    """
    if recipe.task.asked == "texts":
        return _settled(frame)
    if recipe.task.asked == "nothing":
        return _unasked(frame)
    unknown = pl.Series("labels", [None], dtype=pl.List(pl.String))
    return frame.drop("raw_label").insert_column(2, unknown.new_from_index(0, frame.height))


def _unasked(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with an empty list of answers each: nothing is asked, so all are given."""
    nothing = pl.Series("labels", [[]], dtype=pl.List(pl.String)).new_from_index(0, frame.height)
    return frame.drop("raw_label").insert_column(2, nothing)


def _settled(frame: pl.DataFrame) -> pl.DataFrame:
    lists = frame["raw_label"].cast(pl.List(pl.String))
    some = pl.select(pl.when(lists.list.len() > 0).then(lists).alias("labels")).to_series()
    return frame.drop("raw_label").insert_column(2, some)
