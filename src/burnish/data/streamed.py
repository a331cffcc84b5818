"""Canonical rows of files, some after others: for what reads rows once and need not hold them.

What takes all rows to be known, such as the names of classes, is settled beforehand from the label
column alone, and only for those who ask.

Called by `pipeline.selecting`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from burnish.data.load import Reading, joined_parts, short_names
from burnish.data.readers import read_file
from burnish.data.settle import settle, settle_alone
from burnish.data.sources import Sources
from burnish.data.table import ROW, Kind
from burnish.recipe.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedRows:
    """The rows of a recipe's files, as many at a time as are read at once."""

    recipe: Recipe
    reading: Reading
    names: Mapping[str, str]  # file → what its rows carry in `file`
    labels: Mapping[str, pl.Series]  # name of a file → labels of its rows; empty: not asked for

    @classmethod
    def of(cls, recipe: Recipe, sources: Sources, *, labelled: bool) -> Self:
        """Return the rows of some files.

        Args:
            recipe: says which columns are read.
            sources: part → paths.
            labelled: whether class names are wanted; the label column is then read beforehand, and
                held. Rows of other tasks always have their answers.

        Raises:
            LabelError: BN206. ColumnError: BN204. DataFormatError: BN202. EmptyDataError: BN205.
        """
        names = short_names(file for files in sources.values() for file in files)
        has_classes = recipe.task.asked == "labels"
        return cls(
            recipe=recipe,
            reading=Reading.of(recipe, labelled=labelled or not has_classes),
            names=names,
            labels=_labels(recipe, sources, names) if has_classes and labelled else {},
        )

    def batches(self, file: str) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield canonical rows with `labels`, and how many records were read for them."""
        name, start = self.names[file], 0
        for rows, rows_in in self.reading.batches(file, name):
            settled = settle_alone(self.recipe, rows)
            if name in self.labels:
                settled = settled.with_columns(self.labels[name].slice(start, rows.height))
            start += rows.height
            yield settled, rows_in


def _labels(recipe: Recipe, sources: Sources, names: Mapping[str, str]) -> dict[str, pl.Series]:
    """Return the labels of each file's rows, in their order."""
    column, encoding = recipe.data.label, recipe.data.encoding

    def raw(file: str) -> pl.DataFrame:
        table = read_file(Path(file), encoding=encoding, columns={column: Kind.LABELS})
        return table.frame.select(
            file=pl.lit(names[file]), row=pl.col(ROW), raw_label=pl.col(column)
        )

    parts = {part: joined_parts(list(map(raw, files)), files) for part, files in sources.items()}
    rows = pl.concat(settle(recipe, parts)[1].values())
    return {name: rows.filter(pl.col("file") == name)["labels"] for name in names.values()}
