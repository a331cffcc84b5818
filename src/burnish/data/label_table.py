"""Which labels each raw label stands for, found by one reading of the label column alone.

What the classes are takes all rows to be known, but no more of them than their distinct labels and
how often each comes. So files of any length are settled in little memory: their label columns
first, and then row by row, as they are read.

Called by `burnish.data.streamed`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import polars as pl

from burnish.data.batches import joined
from burnish.data.labels import KEY, STANDS_FOR, label_keys
from burnish.data.load import joined_parts
from burnish.data.readers import read_batches
from burnish.data.settle import settle
from burnish.data.sources import Sources
from burnish.data.table import ROW, DataFile, Kind, Table
from burnish.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Labels by raw label, for the files of one recipe."""

    labels: pl.DataFrame  # `KEY` (String | null), distinct; `labels` (List(String) | null)

    @classmethod
    def read(cls, recipe: Recipe, sources: Sources, names: Mapping[str, str]) -> Self:
        """Settle the labels of some files.

        Args:
            recipe: a task with classes.
            sources: part → paths.
            names: file → what its rows carry in `file`, for messages.

        Raises:
            LabelError: BN206. ColumnError: BN204. DataFormatError: BN202. EmptyDataError: BN205.
        """
        raw = {
            part: joined_parts([_distinct(recipe, file, names[file]) for file in files], files)
            for part, files in sources.items()
        }
        settled = settle(recipe, raw)[1].values()
        return cls(pl.concat([frame.select(KEY, "labels") for frame in settled]).unique(KEY))

    def of(self, raw: pl.Series) -> pl.Series:
        """Return `labels` for raw labels of any of the files, in their order."""
        keys = label_keys(raw).to_frame()
        return keys.join(self.labels, on=KEY, how="left", nulls_equal=True, maintain_order="left")[
            "labels"
        ]


def _distinct(recipe: Recipe, file: str, name: str) -> pl.DataFrame:
    """Return each raw label of a file once with its key, where it stands first, and how often."""
    column = recipe.data.label
    asked = DataFile(path=Path(file), columns={column: Kind.LABELS}, encoding=recipe.data.encoding)

    def batches() -> Iterator[Table]:
        for table in read_batches(asked):
            counted = table.frame.with_columns(pl.lit(1).alias(STANDS_FOR))
            yield Table(frame=_once(counted, column), rows_in=table.rows_in)

    counted_too = replace(asked, columns={column: Kind.LABELS, STANDS_FOR: Kind.PLAIN})
    found = joined(counted_too, batches()).frame
    return _once(found, column).select(
        KEY, STANDS_FOR, file=pl.lit(name), row=pl.col(ROW), raw_label=pl.col(column)
    )


def _once(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return each raw label once, with its first row and the sum of what it stands for."""
    return (
        frame.with_columns(label_keys(frame[column]))
        .group_by(KEY, maintain_order=True)
        .agg(pl.first(column, ROW), pl.sum(STANDS_FOR))
    )
