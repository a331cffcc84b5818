"""Load, check, split, encode: from files to tokens, with every row accounted for."""

from typing import Any

from burnish.data.integrity.checks import check_parts, check_splits
from burnish.data.labels import settle_labels
from burnish.data.ledger import check_balance
from burnish.data.load import load_rows
from burnish.data.splits import split_parts
from burnish.errors import SplitError
from burnish.pipeline.stage import Parts, Stage, encode_entries
from burnish.recipe.recipe import Recipe
from burnish.records import Finding, LabelSpace, LedgerEntry
from burnish.tasks.base import TASKS, Encoded, Task


def loaded(recipe: Recipe) -> Stage:
    """Rows as they stand in the files."""
    parts, entries = load_rows(recipe)
    return Stage(rows=parts, entries=entries)


def labelled(recipe: Recipe, loaded: Stage) -> tuple[LabelSpace, Parts]:
    """Label names settled, and each row's labels by name."""
    return settle_labels(recipe.task, loaded.rows, label_column=recipe.data.label)


def label_space(labelled: tuple[LabelSpace, Parts]) -> LabelSpace:
    """The classes, in the order of the model's outputs."""
    return labelled[0]


def checked(
    recipe: Recipe, labelled: tuple[LabelSpace, Parts], loaded: Stage, label_space: LabelSpace
) -> Stage:
    """Rows that passed the data checks."""
    parts, findings, entries = check_parts(labelled[1], label_space, recipe.data)
    return Stage(rows=parts, entries=loaded.entries + entries, findings=findings)


def divided(recipe: Recipe, checked: Stage, label_space: LabelSpace) -> Stage:
    """Rows by split, none on two sides."""
    splits, entries = split_parts(checked.rows, recipe.split, recipe.data, label_space)
    return Stage(rows=splits, entries=checked.entries + entries, findings=checked.findings)


def leak_checked(recipe: Recipe, divided: Stage, label_space: LabelSpace) -> Stage:
    """Splits without texts that stand on two sides, or with those told."""
    splits, findings, entries = check_splits(divided.rows, label_space, recipe.data)
    return Stage(
        rows=splits,
        entries=divided.entries + entries,
        findings=divided.findings + findings,
    )


def splits(leak_checked: Stage) -> Parts:
    """The rows of each split as they are used."""
    return leak_checked.rows


def findings(leak_checked: Stage) -> tuple[Finding, ...]:
    """What the data checks said."""
    return leak_checked.findings


def choosing_split(recipe: Recipe, splits: Parts) -> str | None:
    """The split that chooses epoch and thresholds; none where the recipe leaves no choice."""
    for name in ("tune", "validation"):
        if name in splits:
            return name
    if recipe.task.threshold == "tuned" or recipe.training.keep == "best":
        raise SplitError(
            "no rows are left to choose the epoch and the thresholds on",
            where="recipe keys `split.validation` and `split.tune`",
            fix="set `split.tune: 0.1`, or `training.keep: last` with `task.threshold: 0.5`",
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


def task(recipe: Recipe, label_space: LabelSpace) -> Task:
    """The task, built for the labels of the data."""
    return TASKS.get(recipe.task.kind).from_recipe(recipe.task, label_space)


def encoded(splits: Parts, task: Task, tokenizer: Any) -> dict[str, Encoded]:
    """Each split as tokens and targets."""
    return {name: task.encode(rows, tokenizer) for name, rows in splits.items()}


def ledger(leak_checked: Stage, encoded: dict[str, Encoded]) -> tuple[LedgerEntry, ...]:
    """Every row accounted for: kept, dropped by reason, moved, or cut."""
    entries = leak_checked.entries + encode_entries(encoded)
    check_balance(entries)
    return entries
