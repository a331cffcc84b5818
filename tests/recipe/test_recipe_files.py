"""Every recipe that ships can be loaded, found recursively."""

from pathlib import Path

import pytest

import burnish
from burnish.recipe.load import dump_recipe, load_recipe
from burnish.recipe.recipe import Recipe

ROOT = Path(__file__).parents[2]
PACKAGE = Path(burnish.__file__).parent
FOUND = sorted(
    path
    for path in [*ROOT.glob("recipes/**/*.yaml"), *PACKAGE.rglob("*.yaml")]
    if PACKAGE / "data" not in path.parents  # made-up clauses and words, not recipes
)


def test_there_are_recipes() -> None:
    assert len(FOUND) >= 5


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_a_shipped_recipe_loads_and_resolves_to_itself(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    (tmp_path / "again.yaml").write_text(dump_recipe(recipe), "utf-8")

    assert isinstance(recipe, Recipe)
    assert load_recipe(tmp_path / "again.yaml") == recipe
