"""The rows that a recipe's formula selects, as files of their own, and why the others went.

Rows are read, divided and written some after others, so a set need not fit into memory. The data
checks and the rules look at whole parts: `burnish check` and `burnish run` ask them of the set.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import polars as pl

from burnish.data.ledger import ledger_json
from burnish.data.named_columns import with_answer
from burnish.data.rewrite import part_name, rewrite
from burnish.data.signals.declared import formula_of, reads_labels
from burnish.data.signals.select import (
    Tally,
    left_out_lines,
    refuse_nothing_selected,
    select,
    summary,
)
from burnish.data.signals.signal import Signal
from burnish.data.sources import Sources, find_written
from burnish.data.streamed import StreamedRows
from burnish.errors import RecipeError
from burnish.files import atomic_writer, new_folder, sha256, write_json
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.signal_models import RecipeModels
from burnish.recipe.recipe import Recipe
from burnish.records import LedgerEntry
from burnish.runfolder import RunFolder

_VERSION_DIGITS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A set of rows in a folder that a recipe's `data.from` can name."""

    folder: Path
    version: str  # of the set: equal for equal rows, whatever they were selected from
    formula: str
    files: tuple[Path, ...]
    kept: dict[str, int]  # part → rows
    left_out: dict[str, int]  # part → rows that the formula did not select

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish data select --json` prints."""
        files = [str(path) for path in self.files]
        return asdict(self) | {"folder": str(self.folder), "files": files}


def write_selected(recipe: Recipe, out: Path) -> Selected:
    """Write the rows that a recipe selects, each as it stood in its file.

    The folder gets a file for each source, named by its part; `left-out.jsonl`, a line for each row
    that the formula did not select, with its place and what the signals said; `ledger.json`; and
    `selection.json`, the formula, the counts, the digest of each file that was read or written,
    and the version of the set. A kept row is traced by `lineage.jsonl`: its file and row of old,
    and its row in the new file. Nothing is there until all of it is.

    Args:
        recipe: its `data` section says which rows; it needs a `data.select`.
        out: a new or empty folder.

    Raises:
        RecipeError: BN101, there is no formula, or the rows are made and lie in no file.
        DataFormatError, ColumnError, LabelError, EmptyDataError, SignalError: as `burnish run`.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    check_plugins(recipe)
    formula, sources = _formula(recipe), find_written(recipe.data)
    with new_folder(out, fix="remove it, or name another with `--out`") as root:
        folder, divided = RunFolder(root), _divided(recipe, formula, sources, root)
        write_json(folder.ledger, ledger_json(divided.entries()))
        told = _told(divided, sources, root)
        write_json(folder.selection, told)
    return Selected(
        folder=out,
        version=told["version"],
        formula=told["formula"],
        files=tuple(out / file["path"] for file in told["outputs"]),
        kept={part: one.kept for part, one in divided.tallies.items()},
        left_out={part: one.left_out for part, one in divided.tallies.items()},
    )


def _formula(recipe: Recipe) -> Signal:
    formula = formula_of(recipe, RecipeModels(recipe))
    if formula is None:
        raise RecipeError(
            "the recipe has no formula to select by",
            where="recipe key `data.select`",
            fix='write one over `data.signals`, such as `select: "brand & ~negative"`',
        )
    return formula


class _Account:
    """The lines that tell of every row: why it was left out, or where it stood.

    They are written while the next rows are read and decided; at most one batch waits.
    """

    def __init__(self, left_out: IO[bytes], lineage: IO[bytes], pool: ThreadPoolExecutor) -> None:
        self._files = left_out, lineage
        self._pool = pool  # of one thread: lines keep their order
        self._last: Future[None] | None = None

    def write(self, left_out: pl.DataFrame, lineage: pl.DataFrame) -> None:
        """Append lines to both files, once those before them are written."""
        self.finish()
        self._last = self._pool.submit(self._append, left_out, lineage)

    def finish(self) -> None:
        """Wait until all is written. Raises what writing raised."""
        if self._last:
            self._last.result()

    def _append(self, *lines: pl.DataFrame) -> None:
        for file, some in zip(self._files, lines, strict=True):
            if some.height:
                file.flush()  # Polars writes to the file below the buffer
                some.write_ndjson(file)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Divided:
    """The rows of all files divided by a formula, as they are read."""

    rows: StreamedRows
    formula: Signal
    account: _Account
    tallies: dict[str, Tally] = field(default_factory=dict)  # by part
    records: Counter[str] = field(default_factory=Counter)  # read of each part, blank lines too
    files: list[tuple[str, str]] = field(default_factory=list)  # part, name: what was written

    def entries(self) -> list[LedgerEntry]:
        """Return the ledger's lines, of reading and of selecting."""
        selected = [tally.entry(part) for part, tally in self.tallies.items()]
        return [_read(entry, self.records[entry.split]) for entry in selected] + selected

    def kept(self, part: str, file: str, new: str) -> Iterator[int]:
        """Yield the record numbers of the rows to keep, and write down all others."""
        at = 0
        for batch, rows_in in self.rows.batches(file):
            found = select(with_answer(self.rows.recipe, batch), self.formula)
            self.records[part] += rows_in
            tally = self.tallies.get(part)
            self.tallies[part] = tally + found.tally if tally else found.tally
            lineage = _lineage(found.kept, file, new, at)
            self.account.write(left_out_lines(part, found), lineage)
            at += found.kept.height
            yield from found.kept["row"]


def _read(selected: LedgerEntry, records: int) -> LedgerEntry:
    """Return the ledger's line of the stage before a selection."""
    rows = selected.rows_in
    blank = {"blank-line": records - rows} if records > rows else {}
    return LedgerEntry(
        stage="read", split=selected.split, rows_in=records, kept=rows, dropped=blank
    )


def _divided(recipe: Recipe, formula: Signal, sources: Sources, root: Path) -> _Divided:
    rows = StreamedRows.of(recipe, sources, labelled=reads_labels(recipe, formula))
    with ExitStack() as files:
        left_out, lineage = (
            files.enter_context(atomic_writer(path))
            for path in (RunFolder(root).left_out, root / "lineage.jsonl")
        )
        account = _Account(left_out, lineage, files.enter_context(ThreadPoolExecutor(1)))
        divided = _Divided(rows=rows, formula=formula, account=account)
        for part, names in sources.items():
            for number, file in enumerate(names):
                new = part_name(part, file, number, of=len(names))
                kept = divided.kept(part, file, new)
                rewrite(Path(file), root / new, kept, encoding=recipe.data.encoding)
                divided.files.append((part, new))
        account.finish()
        refuse_nothing_selected(divided.tallies)
    return divided


def _lineage(kept: pl.DataFrame, file: str, new: str, before: int) -> pl.DataFrame:
    """Return where each kept row stands, behind `before` others, and where it stood."""
    return kept.select(
        file=pl.lit(new),
        row=pl.int_range(before + 1, before + kept.height + 1),
        id=pl.col("id"),
        **{"from": pl.lit(file)},
        from_row=pl.col("row"),
    )


def _told(divided: _Divided, sources: Sources, root: Path) -> dict[str, Any]:
    """Return what `selection.json` holds."""
    outputs = [_file(part, root / name) for part, name in divided.files]
    # The order of parts and files is the set's own; where they lie is not.
    digests = "".join(file["part"] + file["sha256"] for file in outputs)
    return {
        "burnish": version("burnish"),
        "version": hashlib.sha256(digests.encode()).hexdigest()[:_VERSION_DIGITS],
        "inputs": [_file(part, Path(file)) for part, files in sources.items() for file in files],
        "outputs": [file | {"path": Path(file["path"]).name} for file in outputs],
        **summary(divided.tallies),
    }


def _file(part: str, path: Path) -> dict[str, str]:
    return {"part": part, "path": str(path), "sha256": sha256(path)}
