"""From the recipe's `data.signals` and `data.select` to signals, and to the rows they select."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from burnish.data.integrity.left_out import refuse_nothing_left
from burnish.data.reads import ANSWER, column_of, with_answer
from burnish.data.signals import library
from burnish.data.signals.formula import parse
from burnish.data.signals.select import Selection, select
from burnish.data.signals.signal import Signal
from burnish.errors import SignalError
from burnish.recipe.recipe import Recipe
from burnish.recipe.signals import (
    Contains,
    Label,
    Length,
    Matches,
    OneOf,
    Personal,
    Sentiment,
    Value,
)

# Each takes the section, its name, and the column of the canonical frame that it reads.
_MAKERS: dict[type, Callable[[Any, str, str], Signal]] = {
    Contains: lambda one, name, column: library.contains(
        name, one.words, column=column, ignore_case=one.ignore_case
    ),
    Matches: lambda one, name, column: library.matches(name, one.pattern, column=column),
    Length: lambda one, name, column: library.length(name, unit=one.unit, column=column),
    Label: lambda one, name, _: library.label_is(name, one.labels),
    Value: lambda _, name, column: library.value_of(name, column=column),
    OneOf: lambda one, name, column: library.one_of(name, one.values, column=column),
    Sentiment: lambda _, name, column: library.sentiment(name, column=column),
    Personal: lambda one, name, column: library.personal(name, one.kinds, column=column),
}


def formula_of(recipe: Recipe) -> Signal | None:
    """Return the signal that selects the recipe's rows; None where it has no formula.

    Raises:
        SignalError: BN209, the formula is none, a signal is not known or has no meaning for the
            task; all of it without a look at any row.
    """
    signals = _signals(recipe)  # one that no formula uses can be wrong all the same
    if recipe.data.select is None:
        return None
    return parse(recipe.data.select, signals, where="recipe key `data.select`")


def formula_over(recipe: Recipe, formula: str, *, where: str) -> Signal:
    """Return what a formula over the recipe's signals describes.

    Raises:
        SignalError: BN209, as `formula_of`.
    """
    return parse(formula, _signals(recipe), where=where)


def select_parts(recipe: Recipe, parts: Mapping[str, pl.DataFrame]) -> dict[str, Selection]:
    """Return each part divided by the recipe's formula; empty where it has none.

    Raises:
        SignalError: BN209, a signal cannot be read from the rows.
        EmptyDataError: BN205, of a part no row is selected.
    """
    formula = formula_of(recipe)
    if formula is None:
        return {}
    found = {name: _selected(recipe, rows, formula) for name, rows in parts.items()}
    refuse_nothing_left(
        {name: one.kept for name, one in found.items()},
        lambda name: f"no {name} row is selected; true by signal: {found[name].told()}",
        where="recipe key `data.select`",
        fix="relax the formula or the signals in it",
    )
    return found


def _selected(recipe: Recipe, rows: pl.DataFrame, formula: Signal) -> Selection:
    found = select(with_answer(recipe, rows), formula)
    return replace(found, kept=found.kept.drop(ANSWER, strict=False))


def _signals(recipe: Recipe) -> dict[str, Signal]:
    return {name: _made(recipe, name) for name in recipe.data.signals}


def _made(recipe: Recipe, name: str) -> Signal:
    section = recipe.data.signals[name]
    if isinstance(section, Label) and recipe.columns.asked != "labels":
        raise SignalError(
            "the task has no labels",
            where=f"recipe key `data.signals.{name}`",
            fix="read a column instead: `{kind: one-of, column: …, values: […]}`",
        )
    column = column_of(recipe, getattr(section, "column", None))
    return _MAKERS[type(section)](section, name, column)
