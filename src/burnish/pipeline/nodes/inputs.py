"""From what a program hands in to the recipe and the context that every other node takes.

`burnish run` has a recipe already and hands in both instead. All inputs may be left out where
the start is a saved run.
"""

from pathlib import Path
from typing import Any

from burnish.errors import UsageError
from burnish.files import write_text
from burnish.pipeline.asked import Asked, flat, recipe_of, shares
from burnish.pipeline.context import Context
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.rows import kept_rows
from burnish.pipeline.start import only
from burnish.pipeline.token_cache import default_folder
from burnish.recipe.load import dump_recipe
from burnish.recipe.recipe import Recipe
from burnish.runfolder import RunFolder
from burnish.tracking.base import MemoryTracker


def asked(
    data_path: Path | str | None = None,
    rows: Any = None,
    input_text_key: str | None = None,
    output_text_key: str | None = None,
    model_id: Path | str | None = None,
    random_state: int | None = None,
    train_size: float | None = None,
    validation_size: float | None = None,
    num_train_epochs: int | float | None = None,
    settings: dict[str, Any] | None = None,
) -> Asked:
    """What the inputs ask for, as keys of a recipe."""
    if data_path is not None and rows is not None:
        raise UsageError(
            "data_path and rows are both given",
            where="inputs of the graph",
            fix="give the one that holds the rows to use",
        )
    named = {
        "data.from": data_path if rows is None else kept_rows(rows),
        "model": model_id,
        "split.seed": random_state,
        "training.seed": random_state,
        "training.epochs": num_train_epochs,
    }
    given = {key: str(value) if isinstance(value, Path) else value for key, value in named.items()}
    return Asked(
        values={key: value for key, value in given.items() if value is not None}
        | shares(train_size, validation_size)
        | flat(settings or {}),
        input_key=input_text_key,
        output_key=output_text_key,
    )


@only("base")
def recipe(asked: Asked) -> Recipe:
    """Everything about the run, each default written out."""
    wanted = recipe_of(asked)
    check_plugins(wanted)
    return wanted


def context(recipe: Recipe, out: Path | str | None = None, tracker: Any = None) -> Context:
    """The new run folder, made only where something is to be written, and who is told the curve."""
    if recipe.tracking.trackers and tracker is None:
        raise UsageError(
            f"trackers are asked for ({', '.join(recipe.tracking.trackers)}) and none is handed in",
            where="inputs `settings` and `tracker` of the graph",
            fix="hand in a started tracker as `tracker`, or leave `tracking.trackers` out",
        )
    folder = RunFolder.create(recipe.name, out=None if out is None else Path(out))
    write_text(folder.recipe, dump_recipe(recipe))
    return Context(folder=folder, tracker=tracker or MemoryTracker())


def token_cache() -> Path | None:
    """Where the tokens of texts seen before are kept, if anywhere."""
    return default_folder()
