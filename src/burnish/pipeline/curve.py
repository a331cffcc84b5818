"""A learning curve: the same recipe on parts of the training rows, judged on the same rows.

Rows are read, checked, split and encoded once; then the part of the graph that trains, answers
and fits the rivals runs for each size. What is told of the sizes is made from the prediction
files alone.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Unpack

import polars as pl

from burnish.data.ledger import ledger_json
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.caveats import choosing_caveats
from burnish.evaluation.curve_words import curve_remarks, curve_words
from burnish.evaluation.gates import TUNED
from burnish.evaluation.groups import groups_of
from burnish.evaluation.learning_curve import Trial, learning_curve
from burnish.evaluation.report.curve import curve_page
from burnish.evaluation.verdict import headline
from burnish.files import write_json, write_jsonl, write_text
from burnish.pipeline.context import Context
from burnish.pipeline.curve_folder import CurveFolder, TrainingFolder
from burnish.pipeline.curve_plan import Part, Plan, nodes_of, plan_curve
from burnish.pipeline.driver import Announce, execute
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.run import Listeners
from burnish.recipe.recipe import Recipe
from burnish.records import Space

# What all sizes have in common; every node that a size is made from hangs on these alone.
_SHARED = (
    "splits", "encoded", "features", "task", "label_space", "tokenizer", "hardware",
    "model_source", "judged_split", "choosing_split", "unselected",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A learning curve that is finished."""

    folder: CurveFolder
    told: dict[str, Any]  # the content of curve.json

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish tune --curve --json` prints."""
        return {"folder": str(self.folder.root), "page": str(self.folder.page)} | self.told


def tune_curve(
    recipe: Recipe,
    *,
    out: Path | None = None,
    sizes: int = 4,
    seeds: int = 1,
    **listeners: Unpack[Listeners],
) -> Curve:
    """Train on parts of the rows, and tell what more rows would buy; go on where it was begun.

    Args:
        recipe: of every training; its seed is that of the first one of a size.
        out: a new or empty folder, or that of a curve of this recipe; None: one under `runs`.
        sizes: how many parts, each half of the next; 3 or more.
        seeds: trainings of each part, each on another draw of the rows.
        **listeners: who is told each step, and the folder.

    Raises:
        EmptyDataError: BN205, the rows are too few for so many sizes.
        UsageError: BN103, the folder is of another recipe, or its data has changed.
        StorageError: BN402, the folder holds something else; and all that `burnish run` raises.
    """
    check_plugins(recipe)
    if out is not None:
        CurveFolder.refuse(recipe, out)
    announce, asked = listeners.get("announce"), (*_SHARED, "ledger", "findings")
    shared = execute(asked, recipe=recipe, context=Context.of_nothing(), announce=announce)
    ledger, findings = shared.pop("ledger"), shared.pop("findings")
    plan = plan_curve(recipe, shared, sizes, seeds)
    folder = CurveFolder.take(recipe, shared["splits"], out)
    if started := listeners.get("started"):
        started(folder.root)
    write_json(folder.root / "ledger.json", ledger_json(ledger))
    write_jsonl(folder.root / "findings.jsonl", (one.to_json() for one in findings))
    for part in plan.parts:
        _train(recipe, shared, part, folder.training(part.size, part.seed), announce)
    found = _tell(recipe, shared, plan, folder)
    write_json(folder.curve, found)
    write_text(folder.page, curve_page(found))
    return Curve(folder=folder, told=found)


def _train(
    recipe: Recipe,
    shared: dict[str, Any],
    part: Part,
    place: TrainingFolder,
    announce: Announce | None,
) -> None:
    """Train on one part and keep the answers, unless that was done before."""
    name = f"{part.rows:,} of {len(part.train):,} rows, seed {part.seed}"
    if place.is_done:
        place.clear()
        if announce:
            announce(place.run.root.name, f"{name}: kept from before")
        return
    if announce:
        announce(place.run.root.name, name)
    start = time.perf_counter()
    own = {"seed": part.seed, "checkpoint_every_epoch": False}  # no weights are kept
    training = recipe.training.model_copy(update=own)
    found = execute(
        ("fitted", "tuned_answers", "rival_predictions"),
        recipe=recipe.model_copy(update={"training": training}),
        context=Context(folder=place.run, resume=True),
        overrides=shared | nodes_of(shared, part),
    )
    split, fitted = shared["judged_split"], found["fitted"]
    answers = {TUNED: found["tuned_answers"].predictions(split)} | found["rival_predictions"]
    facts = {"size": part.size, "rows": part.rows, "seed": part.seed}
    # Of one that was interrupted, the training of earlier sittings counts too.
    seconds = round(max(time.perf_counter() - start, fitted.seconds), 3)
    precision = shared["hardware"].precision  # `auto` may find another one in a later sitting
    told = facts | {"seconds": seconds, "precision": precision, "training": fitted.cost()}
    place.keep(answers, split, fitted.history, told)


def _tell(
    recipe: Recipe, shared: dict[str, Any], plan: Plan, folder: CurveFolder
) -> dict[str, Any]:
    """Return the content of curve.json, from the files of the trainings."""
    places = [folder.training(part.size, part.seed) for part in plan.parts]
    trials = list(_trials(plan, places, shared["label_space"]))
    judged = shared["splits"][shared["judged_split"]]
    found = learning_curve(
        trials,
        metric=headline(recipe.evaluation.gates, shared["task"].metric),
        resamples=recipe.evaluation.resamples,
        seed=recipe.evaluation.seed,
        groups=_groups(recipe, judged, trials[0].answers[TUNED].ids),
    )
    facts = [place.facts for place in places]
    flattered = choosing_caveats(recipe, shared["judged_split"], shared["choosing_split"])
    return {
        "burnish": version("burnish"),
        "name": recipe.name,
        "model": recipe.model,
        "split": shared["judged_split"],
        "rows": plan.total,
        "outlook": found.beyond[0].state,
        "words": curve_words(found),
        "remarks": [*curve_remarks(found), *plan.remarks, *flattered],
        "seconds": round(sum(one["seconds"] for one in facts), 3),
        **found.to_json(),
        "trainings": facts,
    }


def _trials(plan: Plan, places: list[TrainingFolder], space: Space) -> Iterator[Trial]:
    for part, place in zip(plan.parts, places, strict=True):
        answers = {
            system: from_predictions(rows, space, where=f"{place.run.root}: {system}")
            for system, rows in place.answers().items()
        }
        yield Trial(size=part.size, rows=part.rows, seed=part.seed, answers=answers)


def _groups(recipe: Recipe, judged: pl.DataFrame, ids: tuple[str, ...]) -> Any:
    """Return the group of each judged row as a number, shape (n,); None where there are none.

    A row without a group is one by itself. All rows of one group could not be drawn in two ways.
    """
    if recipe.data.group is None:
        return None
    numbers = groups_of(judged, ids)
    return None if numbers is None or numbers.max() == 0 else numbers
