"""Canonical rows of files, some after others: for what reads rows once and need not hold them.

What takes all rows to be known, such as the names of classes, is settled beforehand from the label
column alone, and only for those who ask.

Called by `pipeline.selecting`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import polars as pl

from burnish.data.label_table import LabelTable
from burnish.data.load import short_names
from burnish.data.reading import Reading
from burnish.data.settle import settle_alone
from burnish.data.sources import Sources
from burnish.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedRows:
    """The rows of a recipe's files, as many at a time as are read at once."""

    recipe: Recipe
    reading: Reading
    names: Mapping[str, str]  # file → what its rows carry in `file`
    labels: LabelTable | None  # None: there are no classes, or nobody asks for them

    @classmethod
    def of(cls, recipe: Recipe, sources: Sources, *, labelled: bool) -> Self:
        """Return the rows of some files.

        Args:
            recipe: says which columns are read.
            sources: part → paths.
            labelled: whether class names are wanted; the label column is then read beforehand.
                Rows of other tasks always have their answers.

        Raises:
            LabelError: BN206. ColumnError: BN204. DataFormatError: BN202. EmptyDataError: BN205.
        """
        names = short_names(file for files in sources.values() for file in files)
        has_classes = recipe.task.asked == "labels"
        return cls(
            recipe=recipe,
            reading=Reading.of(recipe, labelled=labelled or not has_classes),
            names=names,
            labels=LabelTable.read(recipe, sources, names) if has_classes and labelled else None,
        )

    def batches(self, file: str) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield canonical rows with `labels`, and how many records were read for them."""
        for rows, rows_in in self.reading.batches(file, self.names[file]):
            settled = settle_alone(self.recipe, rows)
            if self.labels:
                settled = settled.with_columns(self.labels.of(rows["raw_label"]))
            yield settled, rows_in
