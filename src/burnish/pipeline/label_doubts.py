"""Training rows by how doubtful their label is, and near-duplicates that are labelled differently.

One path for `burnish data label-errors` and for a run, which tells them in its report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl

from burnish.data.dedupe import with_clusters
from burnish.data.keys import CLUSTER
from burnish.errors import EmptyDataError
from burnish.evaluation.baselines.base import from_frame
from burnish.evaluation.baselines.linear import label_columns
from burnish.evaluation.label_errors import Suspicion, suspicion
from burnish.files import write_json, write_jsonl
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace
from burnish.runfolder import LabelFiles

LEARNED = ("train", "tune")  # splits; judged rows are left alone, or doubt would bend the test
_ALL = "all"
_DIGITS = 6
# Measured on two cores: a million characters take 5 s to be counted, and 1 s more a classifier.
_COUNTING, _CHARACTERS_A_SECOND = 5, 1_000_000
_MOST_SECONDS = 60.0  # what `auto` may take


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDoubts:
    """What was found in some rows."""

    lines: tuple[dict[str, Any], ...] = ()  # a row each, the most doubtful first
    conflicts: tuple[dict[str, Any], ...] = ()  # near-duplicates labelled otherwise, by cluster
    skipped: str | None = None  # why nobody looked

    @classmethod
    def of(cls, rows: pl.DataFrame, space: LabelSpace, *, seed: int) -> Self:
        """Return the doubts about the labels of canonical rows.

        Raises:
            EmptyDataError: BN205, there are too few rows or groups.
        """
        doubts = suspicion(from_frame(rows, space), space, seed=seed)
        return cls(lines=tuple(_lines(doubts, rows, space)), conflicts=_conflicts(rows))

    @property
    def flagged(self) -> int:
        """Rows whose label a model doubts more than usual."""
        return sum(line["flagged"] for line in self.lines)

    def summary(self) -> dict[str, Any]:
        """Return the content of label-errors.json."""
        return {
            "rows": len(self.lines),
            "flagged": self.flagged,
            "conflicts": len(self.conflicts),
            "skipped": self.skipped,
        }

    def write(self, files: LabelFiles) -> list[Path]:
        """Write the files, the summary alone where nobody looked; return those written."""
        write_json(files.summary, self.summary())
        if self.skipped is not None:
            return [files.summary]
        write_jsonl(files.ranked, self.lines)
        write_jsonl(files.conflicts, self.conflicts)
        return [files.summary, files.ranked, files.conflicts]


def doubts_of_run(
    recipe: Recipe, splits: Mapping[str, pl.DataFrame], space: LabelSpace
) -> LabelDoubts:
    """Return the doubts about the rows that a run learns from, or why it does not look."""
    rows = pl.concat([splits[name] for name in LEARNED if name in splits])
    if why := _reason_to_skip(recipe, rows, space):
        return LabelDoubts(skipped=why)
    try:
        return LabelDoubts.of(rows, space, seed=recipe.training.seed)
    except EmptyDataError as err:
        return LabelDoubts(skipped=f"{err.what}.")


def _reason_to_skip(recipe: Recipe, rows: pl.DataFrame, space: LabelSpace) -> str | None:
    asked = recipe.evaluation.label_errors
    if asked is False:
        return "The recipe says `evaluation.label_errors: false`."
    characters = int(rows["text"].str.len_chars().sum() or 0)
    work = characters * (_COUNTING + len(label_columns(space)))
    seconds = work / _CHARACTERS_A_SECOND
    if asked is True or seconds <= _MOST_SECONDS:
        return None
    return (
        f"{rows.height:,} rows with {characters:,} characters and {len(space.names)} labels would "
        f"take about {seconds / 60:.0f} minutes on two cores; set `evaluation.label_errors: true`, "
        "or run `burnish data label-errors` beside the training."
    )


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


def _conflicts(rows: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    """Return near-duplicates of one cluster whose labels are not all the same."""
    clustered = with_clusters({_ALL: rows})[_ALL].with_columns(
        said=pl.col("labels").list.sort().list.join("\n")
    )
    differing = pl.col("said").n_unique().over(CLUSTER) > 1
    found = (
        clustered.filter(differing, pl.col("labels").is_not_null())
        .sort(CLUSTER, "file", "row")
        .select(
            (pl.col(CLUSTER).rank("dense") - 1).alias("cluster"),
            "id", "file", "row", "text", "labels",
        )
    )  # fmt: skip
    return tuple(found.iter_rows(named=True))
