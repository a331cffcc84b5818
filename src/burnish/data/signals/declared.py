"""From the recipe's `data.signals` and `data.select` to signals, and to the rows they select."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from burnish.data.named_columns import ANSWER, column_of, with_answer
from burnish.data.signals import library, modelled
from burnish.data.signals.formula import parse
from burnish.data.signals.modelled import Models
from burnish.data.signals.select import Selection, refuse_nothing_selected, select
from burnish.data.signals.signal import Signal
from burnish.data.signals.tree import compared
from burnish.errors import SignalError
from burnish.recipe.languages import language_fault
from burnish.recipe.recipe import Recipe
from burnish.recipe.signals import (
    Certainty,
    Contains,
    Disagreement,
    Label,
    Language,
    Length,
    Matches,
    NearDuplicate,
    OneOf,
    Personal,
    Sentiment,
    Similar,
    Value,
)


def _length(one: Length, name: str, column: str, models: Models | None) -> Signal:
    if one.unit == "tokens":
        return modelled.tokens(name, models, column=column)
    return library.length(name, unit=one.unit, column=column)


# Each takes the section, its name, the column of the canonical frame that it reads, and models.
_MAKERS: dict[type, Callable[[Any, str, str, Models | None], Signal]] = {
    Contains: lambda one, name, column, _: library.contains(
        name, one.words, column=column, ignore_case=one.ignore_case
    ),
    Matches: lambda one, name, column, _: library.matches(name, one.pattern, column=column),
    Length: _length,
    Label: lambda one, name, *_: library.label_is(name, one.labels),
    Value: lambda _, name, column, __: library.value_of(name, column=column),
    OneOf: lambda one, name, column, _: library.one_of(name, one.values, column=column),
    Sentiment: lambda _, name, column, __: library.sentiment(name, column=column),
    Language: lambda _, name, column, __: library.language(name, column=column),
    Personal: lambda one, name, column, _: library.personal(name, one.kinds, column=column),
    NearDuplicate: lambda one, name, column, _: library.near_duplicate(
        name, one.of, of_column=one.of_column, similarity=one.similarity, column=column
    ),
    Similar: lambda one, name, column, models: modelled.similar(
        name, models, one.to, model=one.model, column=column
    ),
    Certainty: lambda one, name, _, models: modelled.certainty(
        name, models, one.system, measure=one.measure
    ),
    Disagreement: lambda one, name, _, models: modelled.disagreement(name, models, one.systems),
}


def formula_of(recipe: Recipe, models: Models | None = None) -> Signal | None:
    """Return the signal that selects the recipe's rows; None where it has no formula.

    Args:
        recipe: its `data` section declares signals and formula.
        models: for signals that ask one; not needed as long as no row is read.

    Raises:
        SignalError: BN209, the formula is none, a signal is not known or has no meaning for the
            task; all of it without a look at any row.
    """
    if recipe.data.select is None:
        _signals(recipe, models)  # one that no formula uses can be wrong all the same
        return None
    where = "recipe key `data.select`"
    return formula_over(recipe, recipe.data.select, models, where=where)


def formula_over(
    recipe: Recipe, formula: str, models: Models | None = None, *, where: str
) -> Signal:
    """Return what a formula over the recipe's signals describes.

    Raises:
        SignalError: BN209, as `formula_of`.
    """
    found = parse(formula, _signals(recipe, models), where=where)
    _check_codes(recipe, found, where)
    return found


def _check_codes(recipe: Recipe, formula: Signal, where: str) -> None:
    """Refuse a comparison of a language with what is no code of one: it would never be true."""
    sections = recipe.data.signals
    for signal, constant in compared(formula.node):
        fault = language_fault(constant)
        if fault and isinstance(sections.get(signal), Language):
            what, _, fix = fault.partition("; ")
            raise SignalError(what, where=where, fix=fix)


def reads_labels(recipe: Recipe, formula: Signal) -> bool:
    """Return whether a formula over the recipe's signals asks for the labels of classes."""
    return any(isinstance(recipe.data.signals[name], Label) for name in formula.names)


def select_parts(
    recipe: Recipe, parts: Mapping[str, pl.DataFrame], models: Models | None = None
) -> dict[str, Selection]:
    """Return each part divided by the recipe's formula; empty where it has none.

    Args:
        recipe: its `data` section declares signals and formula.
        parts: canonical rows.
        models: for signals that ask one.

    Raises:
        SignalError: BN209, a signal cannot be read from the rows.
        EmptyDataError: BN205, of a part no row is selected.
    """
    formula = formula_of(recipe, models)
    if formula is None:
        return {}
    found = {name: _selected(recipe, rows, formula) for name, rows in parts.items()}
    refuse_nothing_selected({name: one.tally for name, one in found.items()})
    return found


def _selected(recipe: Recipe, rows: pl.DataFrame, formula: Signal) -> Selection:
    found = select(with_answer(recipe, rows), formula)
    return replace(found, kept=found.kept.drop(ANSWER, strict=False))


def _signals(recipe: Recipe, models: Models | None) -> dict[str, Signal]:
    return {name: _made(recipe, name, models) for name in recipe.data.signals}


def _made(recipe: Recipe, name: str, models: Models | None) -> Signal:
    section = recipe.data.signals[name]
    if isinstance(section, Label) and recipe.columns.asked != "labels":
        raise SignalError(
            "the task has no labels",
            where=f"recipe key `data.signals.{name}`",
            fix="read a column instead: `{kind: one-of, column: …, values: […]}`",
        )
    column = column_of(recipe, getattr(section, "column", None))
    return _MAKERS[type(section)](section, name, column, models)
