"""What of a data file is read, and how it becomes canonical rows.

The canonical frame is what passes from here to the rest of Burnish: `id`, `text`, `raw_label`
(replaced by `labels` in `burnish.data.settle`), `group`, `file`, `row`, `turns` where inputs are
conversations, and `meta:<name>` for each column the recipe's slices and time key name.

Used by `data.load` for whole parts, and by `data.streamed` and `pipeline.batch_answers` for rows
some after others.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from burnish.data.columns import as_texts
from burnish.data.conversation import TURNS, is_messages, transcripts, without_answer
from burnish.data.readers import format_of, read_batches, read_file
from burnish.data.sources import STARTER
from burnish.data.starter import read_starter
from burnish.data.synthesis.made import SYNTH, read_made
from burnish.data.table import ROW, DataFile, Faults, Kind, Table
from burnish.errors import ColumnError, DataFormatError
from burnish.recipe.data import Columns, Data
from burnish.recipe.recipe import Recipe

META = "meta:"


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a file is read, and how it becomes canonical rows."""

    columns: Columns  # which hold text and answer
    data: Data  # which hold id and group, and how text files are encoded
    extra: tuple[str, ...] = ()  # further columns, kept as `meta:<name>`
    labelled: bool = True  # whether the answer column must be there; else `raw_label` is null

    @classmethod
    def of(cls, recipe: Recipe, *, labelled: bool = True) -> Self:
        """Return the columns that a recipe names."""
        own = (recipe.columns.text, recipe.columns.answer)
        read = [name for name in recipe.further_columns if name not in own]
        extra = (*recipe.evaluation.slices, recipe.data.time, *read)
        named = tuple(dict.fromkeys(name for name in extra if name))
        return cls(recipe.columns, recipe.data, named, labelled=labelled)

    @property
    def kinds(self) -> dict[str, Kind]:
        """Column → what it is for.

        Raises:
            ColumnError: BN204, one column is asked to be two things.
        """
        columns, data = self.columns, self.data
        answers = [columns.answer] if self.labelled and columns.answer else []
        _refuse_twice([columns.text, data.group, data.id, *answers], columns)
        writes = columns.asked == "texts"
        text, answer = (Kind.INPUT, Kind.ANSWERS) if writes else (Kind.TEXT, Kind.LABELS)
        kinds = {name: Kind.PLAIN for name in (data.id, data.group, *self.extra) if name}
        return kinds | {columns.text: text} | dict.fromkeys(answers, answer)

    def batches(
        self, file: str, name: str, faults: Faults | None = None
    ) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield canonical rows, some after others, and how many records were read for them.

        Args:
            file: a path; made-up rows lie in none.
            name: what the rows carry in `file`.
            faults: takes down records that cannot be read; None: the first is raised.
        """
        for table in read_batches(self._wanted(Path(file)), faults):
            yield self.canonical(table.frame, name), table.rows_in

    def table(self, file: str, part: str) -> Table:
        """Return the typed columns of a file, or those of one part of rows that are made."""
        if file.startswith(STARTER):
            return read_starter(file, part, columns=self.kinds)
        if file.startswith(SYNTH):
            return read_made(file, part, columns=self.kinds)
        wanted = self._wanted(Path(file))
        if format_of(wanted.path) == "txt":
            _refuse_answers(wanted)
        return read_file(wanted)

    def _wanted(self, path: Path) -> DataFile:
        return DataFile(path=path, columns=self.kinds, encoding=self.data.encoding)

    def canonical(self, frame: pl.DataFrame, name: str) -> pl.DataFrame:
        """Return typed columns of a file as canonical rows that carry `name` in `file`."""
        data = self.data
        ids = pl.format("{}:{}", pl.lit(name), pl.col(ROW))
        text, label, turns = _said(frame, self.columns)
        group = as_texts(frame[data.group]) if data.group else pl.lit(None, pl.String)
        return frame.select(
            id=_given_ids(frame, name, data.id) if data.id else ids,
            text=text.cast(pl.String),
            raw_label=label,
            group=group,
            file=pl.lit(name),
            row=pl.col(ROW),
            **turns,
            **{f"{META}{column}": pl.col(column) for column in self.extra},
        )


def _refuse_twice(roles: list[str | None], columns: Columns) -> None:
    twice = [name for name, count in Counter(filter(None, roles)).items() if count > 1]
    if twice:
        raise ColumnError(
            f"column {twice[0]!r} is asked to be two things",
            where=f"recipe keys {columns.keys}, or `data.group`, `data.id`",
            fix="name a different column in each",
        )


def _refuse_answers(lines: DataFile) -> None:
    """Raise ColumnError (BN204) where answers are asked of a file that has a text a line."""
    kinds = set(lines.columns.values())
    if not kinds & {Kind.LABELS, Kind.ANSWERS}:
        return
    lacks, rows = (
        ("answers", "rows with answers") if Kind.ANSWERS in kinds else ("labels", "labelled rows")
    )
    raise ColumnError(
        f"a .txt file has texts but no {lacks}",
        where=str(lines.path),
        fix=f"give {rows} as .jsonl, .csv or .parquet",
    )


def _said(
    frame: pl.DataFrame, columns: Columns
) -> tuple[pl.Series, pl.Series | pl.Expr, dict[str, pl.Series]]:
    """Return the text, the raw answer, and the messages where the input is a conversation."""
    text, name = frame[columns.text], columns.answer
    answer = frame[name] if name and name in frame.columns else pl.lit(None, pl.Null)
    if not is_messages(text):
        return text, answer, {}
    if name is None:
        text, answer = without_answer(text)
    return transcripts(text), answer, {TURNS: text}


def _given_ids(frame: pl.DataFrame, name: str, column: str) -> pl.Series:
    missing = frame.filter(pl.col(column).is_null())
    if missing.height:
        raise DataFormatError(
            f"{missing.height} row(s) have no id in column {column!r}",
            where=f"{name}, row {missing[ROW][0]}",
            fix="fill the column, or leave `data.id` out to number rows by file and row",
        )
    return as_texts(frame[column])
