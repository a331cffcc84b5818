"""Load, check, split, encode: from files to tokens, with every row accounted for."""

from dataclasses import replace
from typing import Any

import polars as pl

from burnish.data.integrity.checks import check_parts, check_splits
from burnish.data.integrity.rules import check_rules
from burnish.data.labels import refuse_one_class
from burnish.data.ledger import check_balance
from burnish.data.load import load_rows
from burnish.data.settle import settle
from burnish.data.signals.declared import select_parts
from burnish.data.signals.select import Selection
from burnish.data.splits import apart_from, split_parts
from burnish.errors import SplitError
from burnish.pipeline.arms import Questions, general_rows, probe_sentences
from burnish.pipeline.fitting import without_unfit
from burnish.pipeline.plugins import check_metrics
from burnish.pipeline.signal_models import RecipeModels
from burnish.pipeline.stage import Parts, Stage, encode_entries
from burnish.pipeline.start import only, only_selecting
from burnish.pipeline.token_cache import keep
from burnish.recipe.recipe import Recipe
from burnish.recipe.task import MASKED
from burnish.records import Finding, LabelSpace, LedgerEntry, Space
from burnish.tasks.base import TASKS, Task
from burnish.tasks.encoded import Encoded
from burnish.training.models import check_room
from burnish.training.sources import ModelSource


def loaded(recipe: Recipe) -> Stage:
    """Rows as they stand in the files."""
    parts, entries = load_rows(recipe)
    return Stage(rows=parts, entries=entries)


def labelled(recipe: Recipe, loaded: Stage) -> tuple[Space, Parts]:
    """Label names settled, and each row's answers: labels by name, or texts."""
    with loaded.told():
        return settle(recipe, loaded.rows)


@only("base")
def label_space(labelled: tuple[Space, Parts]) -> Space:
    """The classes, in the order of the model's outputs; or that the answers are texts."""
    return labelled[0]


def checked(
    recipe: Recipe, labelled: tuple[Space, Parts], loaded: Stage, label_space: Space
) -> Stage:
    """Rows that passed the data checks."""
    with loaded.told():
        parts, findings, entries = check_parts(labelled[1], label_space, recipe.data)
    return Stage(rows=parts, entries=loaded.entries + entries, findings=findings)


def ruled(recipe: Recipe, checked: Stage) -> Stage:
    """Rows that keep the recipe's rules for single columns."""
    with checked.told():
        parts, findings, entries = check_rules(recipe, checked.rows)
    return Stage(
        rows=parts, entries=checked.entries + entries, findings=checked.findings + findings
    )


def selection(recipe: Recipe, ruled: Stage) -> dict[str, Selection]:
    """Each part divided by the recipe's formula; nothing where it has none."""
    with ruled.told():
        return select_parts(recipe, ruled.rows, RecipeModels(recipe))


def selected(
    recipe: Recipe, ruled: Stage, selection: dict[str, Selection], label_space: Space
) -> Stage:
    """Rows that the formula of signals selects."""
    entries = tuple(found.tally.entry(part) for part, found in selection.items())
    parts = ruled.rows | {part: found.kept for part, found in selection.items()}
    if isinstance(label_space, LabelSpace):  # rules and formula may have left one class alone
        with ruled.told():
            refuse_one_class(label_space, parts["train"], recipe.data.label)
    return Stage(
        rows=parts,
        entries=ruled.entries + entries,
        findings=ruled.findings,
        unselected=ruled.rows["train"] if selection else None,
    )


def divided(recipe: Recipe, selected: Stage, label_space: Space) -> Stage:
    """Rows by split, none on two sides."""
    with selected.told():
        splits, entries = split_parts(selected.rows, recipe.split, recipe.data, label_space)
    return replace(selected, rows=splits, entries=selected.entries + entries)


def leak_checked(recipe: Recipe, divided: Stage, label_space: Space) -> Stage:
    """Splits without texts that stand on two sides, or with those told."""
    with divided.told():
        splits, findings, entries = check_splits(divided.rows, label_space, recipe.data)
    return replace(
        divided,
        rows=splits,
        entries=divided.entries + entries,
        findings=divided.findings + findings,
    )


def asked_task(recipe: Recipe, label_space: Space) -> Task:
    """The task as the recipe asks for it, with metrics that fit it."""
    asked = TASKS.get(recipe.task.kind).from_recipe(recipe.task, label_space)
    check_metrics(recipe, asked)
    return asked


@only("base")
def task(asked_task: Task, leak_checked: Stage, tokenizer: Any) -> Task:
    """The task with the lengths it takes from the training rows."""
    return asked_task.measure(leak_checked.rows["train"], tokenizer)


def fitting(leak_checked: Stage, task: Task, tokenizer: Any) -> Stage:
    """Rows that can be learned from, judged by their tokens."""
    with leak_checked.told():
        unfit = task.unfit(leak_checked.rows["train"], tokenizer)
        return without_unfit(leak_checked, unfit)


@only("base")
def splits(fitting: Stage) -> Parts:
    """The rows of each split as they are used."""
    return fitting.rows


def findings(fitting: Stage) -> tuple[Finding, ...]:
    """What the data checks said."""
    return fitting.findings


def choosing_split(recipe: Recipe, splits: Parts) -> str | None:
    """The split that chooses epoch and thresholds; none where the recipe leaves no choice."""
    for name in ("tune", "validation"):
        if name in splits:
            return name
    if recipe.task.tunes_thresholds or recipe.training.keep == "best":
        has_thresholds = recipe.task.asked == "labels"
        raise SplitError(
            "no rows are left to choose the epoch"
            + (" and the thresholds" if has_thresholds else "")
            + " on",
            where="recipe keys `split.validation` and `split.tune`",
            fix="set `split.tune: 0.1`, or `training.keep: last`"
            + (" with `task.threshold: 0.5`" if has_thresholds else ""),
        )
    return None


def judged_split(splits: Parts) -> str:
    """The split the verdict speaks of: test, else validation."""
    for name in ("test", "validation"):
        if name in splits:
            return name
    raise SplitError(
        "no rows are left to judge the model on",
        where="recipe keys `split.validation` and `split.test`",
        fix="set `split.test: 0.1`, or name a file in `data.test`",
    )


@only("base")
def encoded(
    splits: Parts, task: Task, tokenizer: Any, model_source: ModelSource
) -> dict[str, Encoded]:
    """Each split as tokens and targets."""
    parts = {
        name: (task.encode_to_learn if name == "train" else task.encode)(rows, tokenizer)
        for name, rows in splits.items()
    }
    for part in parts.values():
        check_room(model_source, task, part)
    keep(tokenizer)
    return parts


def ledger(fitting: Stage, encoded: dict[str, Encoded]) -> tuple[LedgerEntry, ...]:
    """Every row accounted for: kept, dropped by reason, moved, or cut."""
    entries = fitting.entries + encode_entries(encoded)
    check_balance(entries)
    return entries


@only_selecting(False)
def unselected() -> Encoded | None:
    """Nothing: the graph was built for a recipe without a selection."""
    return None


@only_selecting(True)
def unselected__selecting(
    recipe: Recipe, fitting: Stage, splits: Parts, task: Task, tokenizer: Any
) -> Encoded | None:
    """As many training rows as are learned, drawn from those before the selection."""
    is_asked = recipe.evaluation.control or recipe.task.kind == MASKED  # which may need a head
    if fitting.unselected is None or not is_asked:
        return None
    columns = [name for name in ("id", "text", "group") if name in fitting.unselected.columns]
    held = pl.concat([rows.select(columns) for name, rows in splits.items() if name != "train"])
    rows = apart_from(held, fitting.unselected)
    count = min(rows.height, splits["train"].height)
    drawn = rows.sample(count, seed=recipe.training.seed, shuffle=True)
    return task.encode_to_learn(drawn, tokenizer)


def questions(
    recipe: Recipe,
    splits: Parts,
    encoded: dict[str, Encoded],
    judged_split: str,
    task: Task,
    tokenizer: Any,
) -> Questions:
    """What every model of the run is asked."""
    general, probes = general_rows(recipe), recipe.evaluation.probes
    return Questions(
        judged=encoded[judged_split],
        general=None if general is None else task.encode(general, tokenizer),
        probes=probe_sentences(recipe, splits[judged_split], tokenizer.mask_token or ""),
        top_k=probes.top_k if probes else 0,
    )
