"""What the recipe `brand-voice` selects of the sentences that come with Burnish."""

from pathlib import Path

from burnish.data.signals.declared import formula_of
from burnish.data.signals.select import select
from burnish.data.synthesis.fill import make_up
from burnish.data.synthesis.made import shipped_spec
from burnish.recipe.load import load_recipe

RECIPE = Path(__file__).parents[3] / "recipes" / "brand-voice.yaml"
ROWS = 5_000


def test_no_sentence_that_is_not_friendly_is_selected_whatever_the_seed() -> None:
    signal = formula_of(load_recipe(RECIPE))
    assert signal is not None
    labels: list[str] = []
    for seed in range(5):
        made = make_up(shipped_spec(rows=ROWS, seed=seed))
        for rows in (made.train, made.test):
            assert rows is not None
            told = rows.with_row_index("row").with_columns(id="row", file="label")
            labels.extend(select(told, signal).kept["label"])

    assert len(labels) >= 8_000
    assert set(labels) == {"positive"}
