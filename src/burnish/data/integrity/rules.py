"""The rules of a recipe: what must hold of single columns, row by row.

All rules are looked at before anything is refused. A row is dropped for the first rule that it
breaks; a missing value breaks none but `non-null`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from burnish.data.integrity.checks import Checked, refusal
from burnish.data.integrity.hit import hit_rows, place
from burnish.data.integrity.left_out import LeftOut, counts_told, refuse_nothing_left
from burnish.data.language import languages_of
from burnish.data.named_columns import (
    column_of,
    first_no_number,
    is_number,
    length_of,
    numbers_of,
    with_answer,
)
from burnish.errors import ColumnError
from burnish.recipe.recipe import Recipe
from burnish.recipe.rules import (
    EqualTo,
    GreaterThan,
    InSet,
    LessThan,
    RuleSection,
    Scalar,
    ZScore,
)
from burnish.records import Finding

Parts = Mapping[str, pl.DataFrame]

# Kind → whether a row breaks the rule, given the rule, its column, and the training rows'.
_BREAKS: Mapping[str, Callable[[Any, pl.Expr, pl.Series], pl.Expr]] = {
    "non-null": lambda _, value, __: value.is_null(),
    "less-than": lambda rule, value, _: value >= rule.value,
    "greater-than": lambda rule, value, _: value <= rule.value,
    "equal-to": lambda rule, value, _: value != rule.value,
    "in-set": lambda rule, value, _: ~_is_one_of(value, rule.values),
    "regex": lambda rule, value, _: ~value.str.contains(rule.pattern),
    "unique": lambda _, value, __: value.is_not_null() & ~value.is_first_distinct(),
    "z-score": lambda rule, value, train: _distance(value, train) > rule.most,
    "length": lambda rule, value, _: (
        ~length_of(value, rule.unit).is_between(
            rule.least, 2**40 if rule.most is None else rule.most
        )
    ),
    "language": lambda rule, value, _: (
        ~value.map_batches(languages_of, return_dtype=pl.String).is_in(list(rule.languages))
    ),
}


def check_rules(recipe: Recipe, parts: Parts) -> Checked:
    """Return the rows that keep the recipe's rules, the findings, and the ledger's entries.

    Raises:
        CheckError: BN207, rows break a rule whose action is `error`; `.findings` has all.
        ColumnError: BN204, a column holds values of another type than a rule is about.
        EmptyDataError: BN205, no row of a part is left.
    """
    rules = recipe.data.rules
    if not rules:
        return dict(parts), (), ()
    rows = {name: with_answer(recipe, frame) for name, frame in parts.items()}
    left_out = LeftOut(parts)
    findings: list[Finding] = []
    for number, rule in enumerate(rules):
        for name, frame in rows.items():
            broken = _broken(recipe, number, frame, rows["train"])
            findings += _findings(rule, name, frame, broken)
            if rule.action == "drop":
                left_out.add(name, rule.name, broken)
    if any(one.action == "error" for one in findings):
        raise refusal(findings, fix="correct the rows, or give the rule `action: drop` or `warn`")
    kept = left_out.kept()
    refuse_nothing_left(
        kept,
        lambda name: (
            f"no {name} row keeps the rules; dropped: {counts_told(left_out.counts[name])}"
        ),
        fix="correct the rows, or relax `data.rules`",
    )
    return kept, tuple(findings), left_out.entries("rules")


def _broken(recipe: Recipe, number: int, rows: pl.DataFrame, train: pl.DataFrame) -> pl.Series:
    """Return whether each row breaks a rule, shape (n,)."""
    rule = recipe.data.rules[number]
    column = column_of(recipe, rule.column)
    breaks = _BREAKS[rule.kind]
    called = rule.column or recipe.columns.text
    try:
        if _asks_for_numbers(rule):
            rows, train = (_with_numbers(one, column, rule, called) for one in (rows, train))
        found = rows.select(breaks(rule, pl.col(column), train[column]).alias("broken"))
    except (pl.exceptions.PolarsError, TypeError) as err:
        raise ColumnError(
            f"the rule {rule.kind} cannot be asked of column {called!r}, which holds values of "
            f"type {rows[column].dtype}: {' '.join(str(err).split())}",
            where=f"recipe key `data.rules[{number}]`",
            fix="name another column or rule, or correct its value",
        ) from err
    return found["broken"].fill_null(value=False)


def _asks_for_numbers(rule: RuleSection) -> bool:
    """Whether a rule is about numbers, which CSV and TSV hold as texts."""
    if isinstance(rule, InSet):
        return all(map(is_number, rule.values))
    if isinstance(rule, EqualTo):
        return is_number(rule.value)
    return isinstance(rule, LessThan | GreaterThan | ZScore)


def _with_numbers(rows: pl.DataFrame, column: str, rule: RuleSection, called: str) -> pl.DataFrame:
    """Return the rows with a column of texts as the numbers they are; another as it is.

    Raises:
        ColumnError: BN204, a text is no number; names its file and row.
    """
    if rows[column].dtype != pl.String:
        return rows
    if (wrong := first_no_number(rows[column])) is not None:
        raise ColumnError(
            f"the rule {rule.kind} cannot be asked of column {called!r}, which holds the text "
            f"{rows[column][wrong]!r} where a number is needed",
            where=place(rows[wrong]),
            fix="correct the cell, or leave it empty; a text to compare with stands in quotes",
        )
    return rows.with_columns(numbers_of(pl.col(column)))


def _is_one_of(value: pl.Expr, values: tuple[Scalar, ...]) -> pl.Expr:
    """Return whether a value is one of some.

    Numbers one by one: `is_in` looks for those of one type alone, and a column may be of whole
    numbers in one part and of others, or of gaps alone, in the next.
    """
    if not all(map(is_number, values)):
        return value.is_in(list(values))
    return pl.any_horizontal(value == one for one in values)


def _distance(value: pl.Expr, train: pl.Series) -> pl.Expr:
    """Return how many standard deviations of the training rows a value is from their mean."""
    numbers = train.cast(pl.Float64)
    mean, spread = numbers.mean(), numbers.std()
    if not spread or mean is None:  # one value, or none: nothing is far from it
        return pl.lit(0.0)
    return ((value.cast(pl.Float64) - mean) / spread).abs()


def _findings(
    rule: RuleSection, split: str, rows: pl.DataFrame, broken: pl.Series
) -> list[Finding]:
    told = ", ".join(
        f"{key} {value}" for key, value in rule.model_dump().items() if key not in _NOT_TOLD
    )
    words = f"{{n}} {{split}} row(s) break the rule {rule.kind}"
    if told:
        words += f" ({told})".replace("{", "{{").replace("}", "}}")
    return [
        hit.finding(rule.name, rule.action)
        for hit in hit_rows(split, rows, broken, f"{words} (first: {{first}})")
    ]


_NOT_TOLD = ("kind", "column", "action")
