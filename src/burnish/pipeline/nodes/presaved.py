"""The nodes that take another form where the start is a saved run: nothing is trained.

Recipe, rows, task, tokenizer and weights are those of the run folder, so the outputs speak of
the very rows that the model was judged on and never of rows that it learned.
"""

from pathlib import Path
from typing import Any

from burnish.pipeline.arms import Arm
from burnish.pipeline.asked import Asked, recipe_of_saved
from burnish.pipeline.context import fetchers
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.saved import find_run, open_fitted, read_splits
from burnish.pipeline.stage import Parts
from burnish.pipeline.start import only
from burnish.pipeline.token_cache import CachedTokenizer, keep
from burnish.recipe.load import load_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import Space
from burnish.runfolder import RunFolder
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.training.facts import read_task
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.sources import ModelSource, resolve
from burnish.training.tokenizers import open_tokenizer


@only("presaved")
def saved_run(asked: Asked, run_folder: Path | str | None = None) -> RunFolder:
    """The run folder to start from."""
    return find_run(asked, run_folder)


@only("presaved")
def recipe__presaved(asked: Asked, saved_run: RunFolder) -> Recipe:
    """The recipe of the saved run."""
    wanted = recipe_of_saved(asked, load_recipe(saved_run.recipe))
    check_plugins(wanted)
    return wanted


@only("presaved")
def saved_source(recipe: Recipe, saved_run: RunFolder) -> ModelSource:
    """Where the saved model lies, and the base of an adapter."""
    return resolve(str(saved_run.root), fetchers=fetchers(recipe.tracking.uri))


@only("presaved")
def task__presaved(saved_source: ModelSource) -> Task:
    """The task as the saved model was judged at it."""
    return read_task(saved_source.folder)


@only("presaved")
def label_space__presaved(task: Task) -> Space:
    """What the saved model answers with."""
    return task.space


@only("presaved")
def tokenizer__presaved(saved_source: ModelSource, token_cache: Path | None) -> Any:
    """The saved tokenizer; it looks up texts seen before."""
    tokenizer = open_tokenizer(saved_source)
    return tokenizer if token_cache is None else CachedTokenizer(tokenizer, token_cache)


@only("presaved")
def start_source__presaved(saved_run: RunFolder, model_source: ModelSource) -> ModelSource:
    """The model that the saved one was fitted from."""
    return resolve(str(saved_run.start)) if saved_run.start.is_dir() else model_source


@only("presaved")
def splits__presaved(saved_run: RunFolder) -> Parts:
    """The rows of each split as the saved run used them."""
    return read_splits(saved_run)


@only("presaved")
def encoded__presaved(splits: Parts, task: Task, tokenizer: Any) -> dict[str, Encoded]:
    """Each split as tokens and targets."""
    parts = {name: task.encode(rows, tokenizer) for name, rows in splits.items()}
    keep(tokenizer)
    return parts


@only("presaved")
def control_answers__presaved() -> Arm | None:
    """Nothing: a run keeps the answers of its control, not the model."""
    return None


@only("presaved")
def last_answers__presaved() -> Arm | None:
    """Nothing: a run keeps the answers of its last epoch, and the state to go on from."""
    return None


@only("presaved")
def fitted__presaved(
    recipe: Recipe,
    saved_run: RunFolder,
    saved_source: ModelSource,
    encoded: dict[str, Encoded],
    hardware: Hardware,
) -> FitResult:
    """The saved model."""
    return open_fitted(recipe, saved_run, saved_source, encoded.get("train"), hardware)


@only("presaved")
def save_best_models__presaved(saved_run: RunFolder) -> Path:
    """The folder of the saved model, as it was."""
    return saved_run.model
