"""Files → canonical rows, part by part: every row with an id, a file and a row number.

Called by the graph's first node for a recipe's own rows, and by commands for files given to them.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from burnish.data.columns import as_texts
from burnish.data.keys import is_filled
from burnish.data.reading import META, Reading
from burnish.data.sources import MADE, find_sources
from burnish.errors import ColumnError, DataFormatError
from burnish.recipe.data import Data
from burnish.recipe.recipe import Recipe
from burnish.records import LedgerEntry


def load_rows(recipe: Recipe) -> tuple[dict[str, pl.DataFrame], tuple[LedgerEntry, ...]]:
    """Return part → canonical rows with raw labels, and one ledger entry a part.

    Raises:
        DataNotFoundError: BN201. DataFormatError: BN202. ColumnError: BN204.
        EmptyDataError: BN205. Each names the file and, where there is one, the row.
    """
    sources = find_sources(recipe.data)
    names = short_names(s for part in sources.values() for s in part)
    reading = Reading.of(recipe)
    loaded = {part: _loaded(part, files, reading, names) for part, files in sources.items()}
    parts = {part: rows for part, (rows, _) in loaded.items()}
    _refuse_repeated_ids(parts.values(), recipe.data)
    return parts, tuple(entry for _, entry in loaded.values())


def load_part(
    part: str, files: Iterable[str], reading: Reading
) -> tuple[pl.DataFrame, LedgerEntry]:
    """Return the rows of some files as one canonical frame, and its ledger entry (stage read).

    Args:
        part: name of the part in the ledger, such as train.
        files: paths, or one `starter:` or `synth:` id.
        reading: which columns are read of each.

    Raises: as `load_rows`.
    """
    files = tuple(files)
    return _loaded(part, files, reading, short_names(files))


def _loaded(
    part: str, files: tuple[str, ...], reading: Reading, names: dict[str, str]
) -> tuple[pl.DataFrame, LedgerEntry]:
    frames, rows_in, dropped = [], 0, Counter[str]()
    for file in files:
        table = reading.table(file, part)
        name = f"{file}:{part}" if file.startswith(MADE) else names[file]
        frames.append(reading.canonical(table.frame, name))
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
        if len(types) > 1 and not all(one.is_numeric() for one in types):
            frames = [f.with_columns(as_texts(f[column])) for f in frames]
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
