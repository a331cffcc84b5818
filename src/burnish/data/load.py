"""Files → canonical rows: every row with an id, a file and a row number.

The canonical frame is what passes from here to the rest of Burnish: `id`, `text`, `raw_label`
(replaced by `labels` in `burnish.data.settle`), `group`, `file`, `row`, `turns` where inputs are
conversations, and `meta:<name>` for each column the recipe's slices and time key name.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl

from burnish.data.conversation import TURNS, is_messages, transcripts, without_answer
from burnish.data.keys import is_filled
from burnish.data.readers import format_of, read_batches, read_file
from burnish.data.sources import MADE, STARTER, find_sources
from burnish.data.starter import read_starter
from burnish.data.synthesis.made import SYNTH, read_made
from burnish.data.table import ROW, DataFile, Faults, Kind, Table
from burnish.errors import ColumnError, DataFormatError
from burnish.recipe.data import Columns, Data
from burnish.recipe.recipe import Recipe
from burnish.records import LedgerEntry

META = "meta:"


def load_rows(recipe: Recipe) -> tuple[dict[str, pl.DataFrame], tuple[LedgerEntry, ...]]:
    """Return part → canonical rows with raw labels, and one ledger entry a part.

    Raises:
        DataNotFoundError: BN201. DataFormatError: BN202. ColumnError: BN204.
        EmptyDataError: BN205. Each names the file and, where there is one, the row.
    """
    sources = find_sources(recipe.data)
    names = short_names(s for part in sources.values() for s in part)
    read = Reading.of(recipe)
    loaded = {part: _loaded(part, files, read, names) for part, files in sources.items()}
    parts = {part: rows for part, (rows, _) in loaded.items()}
    _refuse_repeated_ids(parts.values(), recipe.data)
    return parts, tuple(entry for _, entry in loaded.values())


def load_part(
    part: str,
    files: Iterable[str],
    data: Data,
    *,
    columns: Columns | None = None,
    extra: Iterable[str] = (),
    labelled: bool = True,
) -> tuple[pl.DataFrame, LedgerEntry]:
    """Return the rows of some files as one canonical frame, and its ledger entry (stage read).

    Args:
        part: name of the part in the ledger, such as train.
        files: paths, or one `starter:` id.
        data: which columns hold id and group, and how text files are encoded.
        columns: which hold text and answer (`Recipe.columns`); null: those of classification.
        extra: further columns, kept as `meta:<name>`.
        labelled: whether the answer column must be there; without it `raw_label` is null.

    Raises: as `load_rows`.
    """
    files = tuple(files)
    columns = columns or data.columns("labels")
    read = Reading(columns, data, tuple(dict.fromkeys(extra)), labelled=labelled)
    return _loaded(part, files, read, short_names(files))


@dataclass(frozen=True, slots=True)
class Reading:
    """What of a file is read, and how it becomes canonical rows."""

    columns: Columns
    data: Data
    extra: tuple[str, ...]  # further columns, kept as `meta:<name>`
    labelled: bool = True

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
        """Column → what it is for."""
        return _kinds(self.columns, self.data, self.extra, labelled=self.labelled)

    def batches(
        self, file: str, name: str, faults: Faults | None = None
    ) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield canonical rows, some after others, and how many records were read for them.

        Args:
            file: a path; made-up rows lie in none.
            name: what the rows carry in `file`.
            faults: takes down records that cannot be read; None: the first is raised.
        """
        asked = DataFile(path=Path(file), columns=self.kinds, encoding=self.data.encoding)
        for table in read_batches(asked, faults):
            yield self.canonical(table.frame, name), table.rows_in

    def canonical(self, frame: pl.DataFrame, name: str) -> pl.DataFrame:
        """Return typed columns of a file as canonical rows that carry `name` in `file`."""
        return _canonical(frame, name, self.columns, self.data, self.extra)


def _loaded(
    part: str, files: tuple[str, ...], read: Reading, names: dict[str, str]
) -> tuple[pl.DataFrame, LedgerEntry]:
    frames, rows_in, dropped = [], 0, Counter[str]()
    kinds = read.kinds
    for file in files:
        table = _read(file, part, read.data.encoding, kinds)
        name = f"{file}:{part}" if file.startswith(MADE) else names[file]
        frames.append(read.canonical(table.frame, name))
        rows_in += table.rows_in
        dropped.update(table.dropped)
    frame = joined_parts(frames, files)
    entry = LedgerEntry(
        stage="read", split=part, rows_in=rows_in, kept=frame.height, dropped=dict(dropped)
    )
    return frame, entry


def with_text(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose text is more than white space."""
    return rows.filter(is_filled(rows["text"]))


def _kinds(
    columns: Columns, data: Data, extra: Iterable[str], *, labelled: bool
) -> dict[str, Kind]:
    """Return column → what it is for."""
    answers = [columns.answer] if labelled and columns.answer else []
    roles = [columns.text, data.group, data.id, *answers]
    twice = [name for name, count in Counter(filter(None, roles)).items() if count > 1]
    if twice:
        raise ColumnError(
            f"column {twice[0]!r} is asked to be two things",
            where=f"recipe keys {columns.keys}, or `data.group`, `data.id`",
            fix="name a different column in each",
        )
    writes = columns.asked == "texts"
    text, answer = (Kind.INPUT, Kind.ANSWERS) if writes else (Kind.TEXT, Kind.LABELS)
    kinds = {name: Kind.PLAIN for name in (data.id, data.group, *extra) if name}
    return kinds | {columns.text: text} | dict.fromkeys(answers, answer)


def _read(file: str, part: str, encoding: str, kinds: dict[str, Kind]) -> Table:
    if file.startswith(STARTER):
        return read_starter(file, part, columns=kinds)
    if file.startswith(SYNTH):
        return read_made(file, part, columns=kinds)
    path = Path(file)
    if format_of(path) == "txt" and {Kind.LABELS, Kind.ANSWERS} & {*kinds.values()}:
        lacks, rows = (
            ("answers", "rows with answers")
            if Kind.ANSWERS in kinds.values()
            else ("labels", "labelled rows")
        )
        raise ColumnError(
            f"a .txt file has texts but no {lacks}",
            where=str(path),
            fix=f"give {rows} as .jsonl, .csv or .parquet",
        )
    return read_file(DataFile(path=path, columns=kinds, encoding=encoding))


def _canonical(
    frame: pl.DataFrame, name: str, columns: Columns, data: Data, extra: tuple[str, ...]
) -> pl.DataFrame:
    ids = pl.format("{}:{}", pl.lit(name), pl.col(ROW))
    text, label, turns = _said(frame, columns)
    group = pl.col(data.group) if data.group else pl.lit(None)
    return frame.select(
        id=_given_ids(frame, name, data.id) if data.id else ids,
        text=text.cast(pl.String),
        raw_label=label,
        group=group.cast(pl.String),
        file=pl.lit(name),
        row=pl.col(ROW),
        **turns,
        **{f"{META}{column}": pl.col(column) for column in extra},
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


def _given_ids(frame: pl.DataFrame, name: str, column: str) -> pl.Expr:
    missing = frame.filter(pl.col(column).is_null())
    if missing.height:
        raise DataFormatError(
            f"{missing.height} row(s) have no id in column {column!r}",
            where=f"{name}, row {missing[ROW][0]}",
            fix="fill the column, or leave `data.id` out to number rows by file and row",
        )
    return pl.col(column).cast(pl.String)


def joined_parts(frames: list[pl.DataFrame], files: tuple[str, ...]) -> pl.DataFrame:
    """Return the canonical rows of some files as one frame.

    Raises:
        ColumnError: BN204, single labels in one file and lists in another.
    """
    shapes = {f["raw_label"].dtype: name for f, name in zip(frames, files, strict=True)}
    shapes.pop(pl.Null(), None)
    if len(shapes) > 1:
        raise ColumnError(
            "some files hold single labels and others lists of labels",
            where=" and ".join(shapes.values()),
            fix="write a list in every row of every file, or a single label",
        )
    for column in (c for c in frames[0].columns if c.startswith(META)):
        types = {f[column].dtype for f in frames} - {pl.Null()}
        if len(types) > 1:
            frames = [f.with_columns(pl.col(column).cast(pl.String)) for f in frames]
    # Not every file needs to hold conversations.
    return pl.concat(frames, how="diagonal_relaxed")


def short_names(files: Iterable[str]) -> dict[str, str]:
    """Return file → its name without folders, or the whole path where two have one name."""
    unique = list(dict.fromkeys(files))
    short = {f: f if f.startswith(MADE) else Path(f).name for f in unique}
    count = Counter(short.values())
    return {f: name if count[name] == 1 else f for f, name in short.items()}


def _refuse_repeated_ids(parts: Iterable[pl.DataFrame], data: Data) -> None:
    """Raise DataFormatError (BN202) when two rows have one id; only given ids can repeat."""
    if not data.id:
        return
    places = pl.concat([p.select("id", "file", "row") for p in parts])
    again = places.filter(pl.col("id").is_duplicated())
    if again.height:
        same = again.filter(pl.col("id") == again["id"][0])
        first, second = same.row(0, named=True), same.row(1, named=True)
        raise DataFormatError(
            f"{again.height} rows share an id with another; first {first['id']!r}",
            where=f"{first['file']} row {first['row']} and {second['file']} row {second['row']}",
            fix=f"make column {data.id!r} unique over all files, or leave `data.id` out",
        )
