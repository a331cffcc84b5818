"""Leave near-duplicates out of a data file, and tell of each which row it repeats."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.data.dedupe import repeated
from burnish.data.readers import format_of, read_file
from burnish.data.rewrite import rewrite
from burnish.data.table import ROW, DataFile, Kind
from burnish.files import empty_folder, sha256, write_json, write_jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class Deduplicated:
    """What became of the rows of a file."""

    folder: Path
    kept_file: Path
    rows_in: int  # records, blank lines included
    kept: int
    dropped: dict[str, int]  # reason → rows

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish data dedupe --json` prints."""
        return asdict(self) | {"folder": str(self.folder), "kept_file": str(self.kept_file)}


def deduplicate(
    path: Path,
    out: Path,
    *,
    text_column: str = "text",
    similarity: float = 0.8,
    encoding: str = "utf-8",
) -> Deduplicated:
    """Write the rows that repeat no earlier one, and one line for each that does.

    The folder gets `kept.<format>`, rows as they stood; `dropped.jsonl`, with row, text, the row it
    repeats and that row's text; and `dedupe.json`, counts and what was asked.

    Args:
        path: a data file.
        out: a new or empty folder.
        text_column: the column that is compared.
        similarity: share of word pairs in common from which a row repeats another, in (0, 1].
        encoding: of a text file.

    Raises:
        DataNotFoundError, DataFormatError, ColumnError, EmptyDataError: as any reader.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    table = read_file(DataFile(path=path, columns={text_column: Kind.TEXT}, encoding=encoding))
    folder = empty_folder(out, fix="remove it, or name another with `--out`")
    texts, numbers = table.frame[text_column], table.frame[ROW]
    of = repeated(texts, similarity=similarity)
    gone = int((of >= 0).sum())
    kept_file = folder / f"kept.{format_of(path)}"
    rewrite(path, kept_file, numbers.filter(pl.Series(of < 0)).to_list(), encoding=encoding)
    found = Deduplicated(
        folder=folder,
        kept_file=kept_file,
        rows_in=table.rows_in,
        kept=table.frame.height - gone,
        dropped=table.dropped | ({"near-duplicate": gone} if gone else {}),
    )
    write_jsonl(folder / "dropped.jsonl", _repeats(texts, numbers, of).iter_rows(named=True))
    asked = {"text_column": text_column, "similarity": similarity}
    write_json(folder / "dedupe.json", _record(path, asked, found))
    return found


def _record(path: Path, asked: dict[str, Any], found: Deduplicated) -> dict[str, Any]:
    """Return what the folder keeps of its making."""
    file = {"file": path.name, "sha256": sha256(path)}
    counts = {"rows_in": found.rows_in, "kept": found.kept, "dropped": found.dropped}
    return file | asked | counts


def _repeats(texts: pl.Series, numbers: pl.Series, of: NDArray[np.int64]) -> pl.DataFrame:
    """Return one line for each row that repeats another: both rows and both texts."""
    gone = np.flatnonzero(of >= 0)
    return pl.DataFrame(
        {
            "row": numbers.gather(gone),
            "text": texts.gather(gone),
            "repeats_row": numbers.gather(of[gone]),
            "repeats_text": texts.gather(of[gone]),
        }
    )
