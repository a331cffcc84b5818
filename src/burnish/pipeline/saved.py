"""A run that is saved, opened to be asked again: its recipe, its rows, its model."""

from pathlib import Path
from typing import Any

from burnish.errors import BurnishError, RunFolderError
from burnish.evaluation.report.runfiles import read_rows
from burnish.files import read_jsonl
from burnish.pipeline.asked import Asked, is_of
from burnish.pipeline.stage import Parts
from burnish.recipe.load import load_recipe
from burnish.recipe.recipe import Recipe
from burnish.recipe.training import Training
from burnish.runfolder import RunFolder
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.memory import peak_memory_mb
from burnish.training.modelfolder import Answerer
from burnish.training.sources import ModelSource
from burnish.training.state import Plan, RunState
from burnish.training.stopping import choosing_metric
from burnish.training.weights import weight_count, weight_mb

_ORDER = ("train", "tune", "validation", "test")


def find_run(asked: Asked, run_folder: Path | str | None) -> RunFolder:
    """Return the run folder that is named, else the newest in `runs/` of the same inputs.

    Raises:
        RunFolderError: BN601, there is none, or it holds no model.
    """
    if run_folder is not None:
        return _with_model(RunFolder.open(Path(run_folder)))
    for path in sorted(Path("runs").glob("*/recipe.yaml"), reverse=True):
        if (path.parent / "model").is_dir() and _is_of(asked, path):
            return RunFolder(path.parent)
    raise RunFolderError(
        "no saved run is named, and none in `runs/` was made with these inputs",
        where="input `run_folder` of the graph",
        fix='name a run folder, or make one with {"start": "base"}',
    )


def _with_model(folder: RunFolder) -> RunFolder:
    if not folder.model.is_dir():
        raise RunFolderError(
            "the run has no model yet",
            where=str(folder.root),
            fix='ask for `save_best_models` under {"start": "base"}, or use `burnish resume`',
        )
    return folder


def _is_of(asked: Asked, path: Path) -> bool:
    try:
        saved = load_recipe(path)
    except BurnishError:  # of another version, or not ours
        return False
    return is_of(asked, saved)


def read_splits(folder: RunFolder) -> Parts:
    """Return the rows of each split as the run used them.

    Raises:
        RunFolderError: BN601, the run kept none.
    """
    found = {path.stem: read_rows(path) for path in folder.splits.glob("*.parquet")}
    if not found:
        raise RunFolderError(
            "the run kept no rows",
            where=str(folder.splits),
            fix="override the node `splits` with the rows to use",
        )
    return {name: found[name] for name in sorted(found, key=_place)}


def _place(split: str) -> int:
    return _ORDER.index(split) if split in _ORDER else len(_ORDER)


def open_fitted(
    recipe: Recipe,
    folder: RunFolder,
    source: ModelSource,
    train: Encoded | None,
    hardware: Hardware,
) -> FitResult:
    """Return a saved model as if it had just been fitted; nothing is trained.

    Args:
        recipe: of the run.
        folder: of the run.
        source: where the model lies, and the base of an adapter.
        train: rows that were learned, by which the recipe's loss weighs classes; None: not known.
        hardware: how the machine is used.
    """
    opened = Answerer.open(source, hardware=hardware)
    history: list[dict[str, Any]] = read_jsonl(folder.history) if folder.history.is_file() else []
    task = opened.task if train is None else opened.task.for_training(recipe.training, train)
    return FitResult(
        model=opened.model,
        task=task,
        state=RunState(history=history),
        plan=Plan(steps=1, steps_per_epoch=1),
        trainable_parameters=0,
        total_parameters=weight_count(opened.model),
        weights_mb=weight_mb(opened.model),
        kept_epoch=_kept_epoch(recipe.training, task, history),
        choose_outputs=None,
        peak_memory_mb=peak_memory_mb(hardware.device),
    )


def _kept_epoch(training: Training, task: Task, history: list[dict[str, Any]]) -> float:
    """Return the epoch whose weights a run kept, as its curve tells; 0 where it tells none."""
    told = [line for line in history if line.get("kind") == "epoch"]
    name = choosing_metric(training, task)
    found = {
        float(line["epoch"]): line["metrics"][f"validation/{name}"]
        for line in told
        if f"validation/{name}" in line["metrics"]
    }
    if training.keep == "best" and found:
        best = max if task.higher_is_better(name) else min
        return best(found, key=found.__getitem__)  # the first of equals
    return float(told[-1]["epoch"]) if told else 0.0
