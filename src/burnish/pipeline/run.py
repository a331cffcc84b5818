"""One whole run: folder, trackers, graph, and an honest end whatever happens."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

import polars as pl

from burnish.errors import BurnishError
from burnish.files import clear_unfinished, read_json, read_jsonl, write_json, write_text
from burnish.pipeline.context import Context
from burnish.pipeline.driver import Announce, execute
from burnish.pipeline.plugins import check_plugins
from burnish.recipe.load import dump_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction, Score
from burnish.runfolder import MODEL_FACTS, RunFolder
from burnish.tracking.base import DatasetInfo, ModelInfo, RunInfo, Status, Tracker
from burnish.tracking.params import flat_params
from burnish.tracking.table import make
from burnish.training.checkpoint import BEST, LAST

OUTPUTS = (
    "report", "model_folder", "verdict", "scores", "tuned_predictions", "judged_split",
    "selection_files", "label_error_files", "model_layers",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a finished run hands back."""

    folder: RunFolder
    verdict: dict[str, Any]
    scores: list[Score]

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish run --json` prints."""
        return {
            "run": str(self.folder.root),
            "report": str(self.folder.report),
            "verdict": self.verdict,
            "scores": [score.to_json() for score in self.scores],
        }


class Listeners(TypedDict, total=False):
    """Who is told how a run goes on."""

    announce: Announce | None  # of each node, its name and description, before it runs
    started: Callable[[Path], None] | None  # of the run folder, as soon as it exists


def run(recipe: Recipe, *, out: Path | None = None, **listeners: Unpack[Listeners]) -> Outcome:
    """Do everything the recipe says, into a new run folder: `out`, or `runs/<UTC time>-<name>`.

    The folder is gone again where rows or recipe were refused before anything was made of them.
    """
    check_plugins(recipe)
    folder = RunFolder.create(recipe.name, out=out)
    write_text(folder.recipe, dump_recipe(recipe))
    try:
        return _in_folder(recipe, folder, resume=False, **listeners)
    except BurnishError:
        if not any(
            made.exists()
            for made in (folder.start, folder.splits, folder.checkpoints, folder.model)
        ):
            shutil.rmtree(folder.root, ignore_errors=True)
        raise


def resume(recipe: Recipe, folder: RunFolder, **listeners: Unpack[Listeners]) -> Outcome:
    """Go on from the last checkpoint of an interrupted run, in the same folder."""
    check_plugins(recipe)
    clear_unfinished(folder.root, folder.start.name, folder.model.name)
    for checkpoints in (folder.checkpoints, folder.control):
        clear_unfinished(checkpoints, f"{LAST}*", f"{BEST}*", "epoch-*")
    return _in_folder(recipe, folder, resume=True, **listeners)


def _in_folder(
    recipe: Recipe,
    folder: RunFolder,
    *,
    resume: bool,
    announce: Announce | None = None,
    started: Callable[[Path], None] | None = None,
) -> Outcome:
    tracker = make(recipe.tracking, folder.root)
    context = Context(folder=folder, tracker=tracker, resume=resume)
    if started:
        started(folder.root)
    tracker.start(_run_info(recipe, folder))
    write_json(folder.tracking, tracker.references())
    status: Status = "FAILED"
    try:
        tracker.log_params(flat_params(recipe.model_dump(mode="json", by_alias=True)))
        result = execute(OUTPUTS, recipe=recipe, context=context, announce=announce)
        keep(tracker, recipe, folder, result)
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        tracker.finish(status)
    return Outcome(folder=folder, verdict=result["verdict"], scores=result["scores"])


def _run_info(recipe: Recipe, folder: RunFolder) -> RunInfo:
    """Describe the run; one that is resumed goes on in the MLflow run it began."""
    known = read_json(folder.tracking) if folder.tracking.is_file() else {}
    return RunInfo(
        run_id=str(known["mlflow"]).removeprefix("runs:/") if "mlflow" in known else None,
        name=folder.root.name,
        folder=folder.root,
        experiment=recipe.tracking.experiment or recipe.name,
        description=recipe.tracking.description,
        tags={"burnish.task": recipe.task.kind, "burnish.model": recipe.model},
    )


def keep(tracker: Tracker, recipe: Recipe, folder: RunFolder, result: dict[str, Any]) -> None:
    """Hand the finished run's numbers and files to the tracker."""
    for path in sorted(folder.splits.glob("*.parquet")):
        tracker.log_dataset(_dataset(recipe, path))
    last = max((line["step"] for line in read_jsonl(folder.history)), default=0)
    tracker.log_metrics(
        {f"{s.split}/{s.system}/{s.metric}": s.value for s in result["scores"]}, step=last
    )
    for path in (
        folder.recipe, folder.manifest, folder.ledger, folder.findings,
        folder.history, folder.scores, folder.verdict, folder.report,
    ):  # fmt: skip
        tracker.log_file(path)
    for path in result["selection_files"] + result["label_error_files"]:
        tracker.log_file(path)
    tracker.log_file(folder.root / "predictions", folder="predictions")
    tracker.log_file(folder.checkpoints, folder="checkpoints")
    tracker.log_model(_model(recipe, folder, result))


def _dataset(recipe: Recipe, path: Path) -> DatasetInfo:
    frame = pl.read_parquet(path)
    return DatasetInfo(
        split=path.stem,
        source=recipe.data.from_ or str(getattr(recipe.data, path.stem, "") or ""),
        digest=hashlib.sha256(path.read_bytes()).hexdigest(),
        rows=frame.height,
        columns={name: str(kind) for name, kind in frame.schema.items()},
    )


def _model(recipe: Recipe, folder: RunFolder, result: dict[str, Any]) -> ModelInfo:
    """Describe the model with real rows as its example, so the signature comes from them.

    A model whose verdict is `ship` is the new champion: `models:/NAME@champion` finds it.
    """
    predictions: list[Prediction] = result["tuned_predictions"][result["judged_split"]]
    # A row with a label gives the column of answers its type; without one it has none.
    first = sorted(predictions, key=lambda p: not p.answer)[:2]
    rows = pl.concat([pl.read_parquet(p).select("id", "text") for p in folder.splits.glob("*")])
    ids = [p.example_id for p in first]
    texts = dict(rows.filter(pl.col("id").is_in(ids)).iter_rows())
    return ModelInfo(
        folder=folder.model,
        loader=Path(__file__).with_name("pyfunc.py"),
        input_example=[texts[one] for one in ids],
        output_example=[{"answer": list(p.answer), "scores": p.scores} for p in first],
        metadata=read_json(folder.model / MODEL_FACTS),
        summary=result["model_layers"],
        registered_name=recipe.tracking.register_,
        aliases=("champion",) if result["verdict"]["verdict"] == "ship" else (),
    )
