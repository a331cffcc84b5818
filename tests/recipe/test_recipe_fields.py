"""Every key is described well enough to be used without reading code."""

import re

import pytest

from burnish.data.integrity.checks import CHECKS
from burnish.errors import RecipeError
from burnish.recipe.data import CheckKind
from burnish.recipe.explain import explain
from burnish.recipe.fields import Key, all_keys

UNITS = re.compile(
    r"\b(tokens|epochs?|steps?|layers|dimensions|factor|rows?|minutes|threads|count|ratio"
    r"|Seed|seed|Share|Probability|mass|unit|rate|probability|norm|decay|power|deviations)\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("key", all_keys(), ids=lambda key: key.path)
def test_every_key_has_a_description(key: Key) -> None:
    assert len(key.description) > 10
    assert key.description.strip()[-1] in ".;"


@pytest.mark.parametrize("key", [k for k in all_keys() if k.is_number], ids=lambda key: key.path)
def test_every_number_has_a_range_and_a_unit(key: Key) -> None:
    assert key.range
    assert UNITS.search(key.description), key.description


def test_a_key_is_explained_with_range_and_default() -> None:
    text = explain("training.learning_rate")

    assert "default: 0.0001" in text
    assert "range: > 0, ≤ 1" in text


def test_a_section_is_explained_with_its_keys() -> None:
    assert "training.epochs" in explain("training")


def test_an_unknown_key_is_answered_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match="learning_rate"):
        explain("training.learning_rte")


def test_the_recipe_names_exactly_the_registered_checks() -> None:
    assert sorted(CheckKind.__args__) == CHECKS.names()  # type: ignore[attr-defined]
