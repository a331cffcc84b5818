"""Which labels are likely wrong: a ranked list for a person to look through."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from burnish.errors import RecipeError
from burnish.files import empty_folder
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.label_doubts import LEARNED, LabelDoubts
from burnish.pipeline.plugins import check_plugins
from burnish.recipe.recipe import Recipe
from burnish.runfolder import LabelFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCheck:
    """What was found in the training rows."""

    folder: Path
    rows: int  # with labels, each of them ranked
    flagged: int  # whose label a model doubts more than usual
    conflicts: int  # near-duplicates of a row that is labelled another way

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish data label-errors --json` prints."""
        return asdict(self) | {"folder": str(self.folder)}


def check_labels(recipe: Recipe, out: Path) -> LabelCheck:
    """Rank the training rows by how doubtful their label is, into a new folder.

    `label-errors.jsonl` has one line a row, the most doubtful first: its place, text and labels,
    the confidence in them, the labels suggested, and whether it is flagged. `conflicts.jsonl` has
    near-duplicates whose labels differ, cluster by cluster.

    Args:
        recipe: of a classification; its data, checks, rules, selection and split say which
            rows; where `split` takes none out, all of them.
        out: a new or empty folder.

    Raises:
        RecipeError: BN101, the task has no labels.
        EmptyDataError: BN205, there are too few rows.
        CheckError, SplitError: as `burnish run`.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    check_plugins(recipe)
    if recipe.columns.asked != "labels":
        raise RecipeError(
            f"the task {recipe.task.kind} has no labels",
            where="recipe key `task.kind`",
            fix="give a recipe of `text-classification`",
        )
    wanted = ("leak_checked", "label_space")
    found = execute(wanted, recipe=recipe, context=Context.of_nothing())
    space, splits = found["label_space"], found["leak_checked"].rows
    # Those that a run learns: who corrects the judged ones by a model's doubts bends the judgement.
    rows = pl.concat([splits[name] for name in LEARNED if name in splits])
    folder = empty_folder(out, fix="remove it, or name another with `--out`")
    doubts = LabelDoubts.of(rows, space, seed=recipe.training.seed)
    doubts.write(LabelFiles.of(folder))
    return LabelCheck(
        folder=folder,
        rows=len(doubts.lines),
        flagged=doubts.flagged,
        conflicts=len(doubts.conflicts),
    )
