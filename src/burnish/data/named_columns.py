"""Which column of the canonical frame a column named in a recipe is, and what its texts say.

Called by what lets a recipe name columns of its own: signals and rules.
"""

from typing import Literal

import polars as pl

from burnish.data.reading import META
from burnish.errors import ColumnError
from burnish.recipe.recipe import Recipe

Unit = Literal["characters", "words"]

ANSWER = "answer"  # the first accepted text of a row, for tasks that write


def column_of(recipe: Recipe, name: str | None) -> str:
    """Return the canonical name of a recipe's column; None: the task's text.

    Raises:
        ColumnError: BN204, it holds the labels, which are read as such and not as a column.
    """
    if name in (None, recipe.columns.text):
        return "text"
    if name != recipe.columns.answer:
        return f"{META}{name}"
    if recipe.columns.asked == "texts":
        return ANSWER
    raise ColumnError(
        f"column {name!r} holds the labels, which no rule and no other signal can read",
        where="recipe keys `data.rules` and `data.signals`",
        fix="use a signal `{kind: label, labels: […]}`, or the check `unknown-label`",
    )


def with_answer(recipe: Recipe, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows with the column `ANSWER`, where the task has answers that are texts."""
    if recipe.columns.asked != "texts":
        return rows
    return rows.with_columns(pl.col("labels").list.first().alias(ANSWER))


def length_of(text: pl.Expr, unit: Unit) -> pl.Expr:
    """Return how long texts are; words are what white space parts."""
    return text.str.len_chars() if unit == "characters" else text.str.count_matches(r"\S+")


def is_number(value: object) -> bool:
    """Return whether a value is a number, which texts are compared with as numbers."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def numbers_of(text: pl.Expr) -> pl.Expr:
    """Return the numbers that texts are, as CSV and TSV write them; null where one is none.

    NaN is a gap, as in a column of numbers: Polars takes it for the greatest of all.
    """
    return _read(text).fill_nan(None)


def _read(text: pl.Expr) -> pl.Expr:
    return text.str.strip_chars().cast(pl.Float64, strict=False)


def first_no_number(values: pl.Series) -> int | None:
    """Return the place of the first text that is no number; None where all are, or are gaps."""
    if values.dtype != pl.String:
        return None
    held = pl.col(values.name)
    wrong = values.to_frame().select(held.is_not_null() & _read(held).is_null()).to_series()
    return wrong.arg_max() if wrong.any() else None
