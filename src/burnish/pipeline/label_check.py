"""Which labels are likely wrong: a ranked list for a person to look through."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from burnish.data.dedupe import with_clusters
from burnish.data.keys import CLUSTER
from burnish.errors import RecipeError
from burnish.evaluation.baselines.base import from_frame
from burnish.evaluation.label_errors import Suspicion, suspicion
from burnish.evaluation.spaces import is_labels
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.plugins import check_plugins
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace
from burnish.runfolder import empty_folder, write_json, write_jsonl

TRAIN = "train"
_DIGITS = 6


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
    space, rows = found["label_space"], found["selected"].rows[TRAIN]
    if not is_labels(space):
        raise RecipeError(
            f"the task {recipe.task.kind} has no labels",
            where="recipe key `task.kind`",
            fix="give a recipe of `text-classification`",
        )
    folder = empty_folder(out, fix="remove it, or name another with `--out`")
    doubts = suspicion(from_frame(rows, space), space, seed=recipe.training.seed)
    conflicts = _conflicts(rows)
    lines = _lines(doubts, rows, space)
    write_jsonl(folder / "label-errors.jsonl", lines)
    write_jsonl(folder / "conflicts.jsonl", conflicts.iter_rows(named=True))
    told = LabelCheck(
        folder=folder,
        rows=len(lines),
        flagged=int(doubts.flagged.sum()),
        conflicts=conflicts.height,
    )
    write_json(folder / "label-errors.json", told.to_json() | {"folder": folder.name})
    return told


def _lines(doubts: Suspicion, rows: pl.DataFrame, space: LabelSpace) -> list[dict[str, Any]]:
    places = {key: (file, row) for key, file, row in rows.select("id", "file", "row").iter_rows()}
    truth, names = doubts.rows.truth, np.array(space.names, dtype=object)
    lines = []
    for rank, at in enumerate(doubts.ranked().tolist(), 1):
        key, label = doubts.rows.ids[at], int(doubts.label[at])
        file, row = places[key]
        lines.append(
            {
                "rank": rank,
                "id": key,
                "file": file,
                "row": row,
                "text": doubts.rows.texts[at],
                "labels": names[truth[at]].tolist(),
                "in_doubt": space.names[label],
                "confidence": round(float(doubts.confidence[at]), _DIGITS),
                "suggested": list(doubts.suggested(at, space)),
                "flagged": bool(doubts.flagged[at]),
            }
        )
    return lines


def _conflicts(rows: pl.DataFrame) -> pl.DataFrame:
    """Return near-duplicates of one cluster whose labels are not all the same."""
    clustered = with_clusters({TRAIN: rows})[TRAIN].with_columns(
        said=pl.col("labels").list.sort().list.join("\n")
    )
    differing = pl.col("said").n_unique().over(CLUSTER) > 1
    return (
        clustered.filter(differing, pl.col("labels").is_not_null())
        .sort(CLUSTER, "file", "row")
        .select(
            (pl.col(CLUSTER).rank("dense") - 1).alias("cluster"),
            "id", "file", "row", "text", "labels",
        )
    )  # fmt: skip
