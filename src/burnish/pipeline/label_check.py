"""Which labels are likely wrong: a ranked list for a person to look through."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish.errors import RecipeError
from burnish.evaluation.spaces import is_labels
from burnish.files import empty_folder
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.label_doubts import LabelDoubts
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
        recipe: of a classification; its data, checks, rules and selection say which rows.
        out: a new or empty folder.

    Raises:
        RecipeError: BN101, the task has no labels.
        EmptyDataError: BN205, there are too few rows.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    check_plugins(recipe)
    wanted = ("selected", "label_space")
    found = execute(wanted, recipe=recipe, context=Context.of_nothing())
    space, rows = found["label_space"], found["selected"].rows["train"]
    if not is_labels(space):
        raise RecipeError(
            f"the task {recipe.task.kind} has no labels",
            where="recipe key `task.kind`",
            fix="give a recipe of `text-classification`",
        )
    folder = empty_folder(out, fix="remove it, or name another with `--out`")
    doubts = LabelDoubts.of(rows, space, seed=recipe.training.seed)
    doubts.write(LabelFiles.of(folder))
    return LabelCheck(
        folder=folder,
        rows=len(doubts.lines),
        flagged=doubts.flagged,
        conflicts=len(doubts.conflicts),
    )
