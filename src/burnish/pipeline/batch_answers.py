"""A model on the rows of a file, however many: in order, going on where it was interrupted.

Rows are read, answered and written some after others. What is done lies in a folder beside the
answers, `.<name>.partial`, until all of it is done; a second call for the same file and model goes
on there. A row that cannot be read or answered is told with its number, and the others are answered
all the same.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import polars as pl

from burnish.data.file_form import AS_LEARNED, FileForm
from burnish.data.keys import is_filled
from burnish.data.reading import Reading
from burnish.data.streams import not_readable
from burnish.data.table import Fault, Faults
from burnish.errors import BurnishError, UsageError
from burnish.files import storage_errors
from burnish.pipeline.answer import OpenModel, answer_rows, reading_recipe
from burnish.pipeline.partial_answers import ANSWERS, FAULTS, Progress, appended, partial_folder
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction
from burnish.training.version import model_version

_ROWS, _ROWS_WRITTEN = 2_000, 64  # answered between two marks of progress; where each is written
_NO_TEXT = "the text is empty"
_KINDS, _KINDS_TOLD = 1_000, 8  # of what is wrong: counted apart; told in words
_OTHERS = "something else"  # for faults tell values, so that each row may have one of its own

Told = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What became of the rows of a file."""

    out: Path
    faults: Path | None  # a line for each row without an answer: row and what is wrong
    rows_in: int  # records, blank lines included
    answered: int
    blank: int
    without: dict[str, int]  # what is wrong → rows, the most frequent first
    resumed: int  # of the records: those that an earlier call had dealt with

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish predict --json` prints of a file."""
        faults = self.faults and str(self.faults)
        return asdict(self) | {"out": str(self.out), "faults": faults}

    @property
    def words(self) -> str:
        """Every row accounted for, in words."""
        kinds = list(self.without.items())
        told = [f"{count:,} without: {what}" for what, count in kinds[:_KINDS_TOLD]]
        if rest := sum(count for _, count in kinds[_KINDS_TOLD:]):
            told.append(f"{rest:,} without, for other reasons")
        blank = [f"{self.blank:,} blank line(s)"] if self.blank else []
        return f"{self.rows_in:,} rows in = " + " + ".join(
            [f"{self.answered:,} answered", *told, *blank]
        )


def answer_to_file(
    model: OpenModel,
    path: Path,
    out: Path,
    form: FileForm = AS_LEARNED,
    *,
    told: Told | None = None,
) -> Answered:
    """Write the answers to a file's rows, one JSON line each, in their order.

    Rows without an answer are in `<out>.faults.jsonl`, by their numbers. Called again after an
    interruption it goes on where it was, if file and model are as they were.

    Args:
        model: answers.
        path: rows, in any format that is read.
        out: the file of answers; one that is there is replaced at the end.
        form: how the rows are read.
        told: is told how many records were dealt with so far.

    Raises:
        UsageError: BN103, the answers would take the place of the rows, or of no ordinary file, or
            another call is writing them.
        DataNotFoundError, ColumnError, EmptyDataError: as any reader.
        DataFormatError: BN202, the file cannot be read on, as behind a broken quote in CSV.
        StorageError: BN402, answers cannot be written.
    """
    _refuse_place(path, out)
    out = out.resolve()  # a link stays one: what it leads to is written
    recipe = reading_recipe(model, path, form)
    job = _job(model, path, recipe)
    with storage_errors(out), partial_folder(out) as folder:
        progress = Progress.of(folder, job)
        work = _Work(model, path, folder, progress, told)
        rows_in = work.through(Reading.of(recipe, labelled=False))
        return _finished(folder, out, rows_in, resumed=progress.row)


def _refuse_place(path: Path, out: Path) -> None:
    written = (out, faults := _faults_of(out))
    if any(one.exists() and path.exists() and one.samefile(path) for one in written):
        raise UsageError(
            "the answers would take the place of the rows themselves",
            where=f"option --out ({out})",
            fix="name another file",
        )
    if out.exists() and not out.is_file():
        raise UsageError(
            "answers are put in place as a whole file, and there is something else",
            where=f"option --out ({out})",
            fix="name a file; without --out answers go to standard output",
        )
    if faults.exists() and not faults.is_file():
        raise UsageError(
            "rows without an answer are told in a file beside the answers, and there is something "
            "else",
            where=str(faults),
            fix="name another file with --out, or take that away",
        )


def _faults_of(out: Path) -> Path:
    return out.with_name(f"{out.name}.faults.jsonl")


@dataclass(slots=True)
class _Work:
    model: OpenModel
    path: Path
    folder: Path
    done: Progress
    told: Told | None

    def through(self, reading: Reading) -> int:
        """Answer what is left of the file; return how many records it has."""
        rows_in, size = 0, _ROWS_WRITTEN if self.model.answerer.task.writing else _ROWS
        with ExitStack() as files:
            answers, faults = (
                files.enter_context(appended(self.folder / name, at))
                for name, at in ((ANSWERS, self.done.answers), (FAULTS, self.done.faults))
            )
            found: Faults = []
            seen = 0
            for rows, records in reading.batches(str(self.path), self.path.name, found):
                fresh = found[seen:]
                del found[1:]  # the first tells the reader that the file is not an empty one
                seen = len(found)
                for before in range(rows_in, rows_in + records, size):
                    last = min(before + size, rows_in + records)
                    part = rows.filter(pl.col("row").is_between(before + 1, last))
                    unread = [one for one in fresh if before < one.row <= last]
                    self._deal(part, unread, last, answers, faults)
                rows_in += records
        return rows_in

    def _deal(
        self, rows: pl.DataFrame, unread: Faults, last: int, answers: IO[bytes], faults: IO[bytes]
    ) -> None:
        if last <= self.done.row:
            return
        made, unanswered = _answers(self.model, rows.filter(pl.col("row") > self.done.row))
        wrong = [one for one in unread if one.row > self.done.row] + unanswered
        _write(answers, (one.to_json() for one in made))
        _write(faults, (one._asdict() for one in sorted(wrong)))
        self.done = Progress(
            job=self.done.job, row=last, answers=answers.tell(), faults=faults.tell()
        )
        self.done.mark(self.folder)
        if self.told:
            self.told(last)


def _answers(model: OpenModel, rows: pl.DataFrame) -> tuple[list[Prediction], Faults]:
    """Return the answers to some rows, and the rows without one; one row harms no other."""
    has_text = is_filled(rows["text"])
    faults = [Fault(row, _NO_TEXT) for row in rows.filter(~has_text)["row"]]
    asked = rows.filter(has_text)
    if asked.is_empty():
        return [], faults
    try:
        return answer_rows(model, asked), faults
    except BurnishError as err:
        if asked.height == 1:
            return [], [*faults, Fault(asked["row"][0], err.what)]
    alone = [_answers(model, asked[at : at + 1]) for at in range(asked.height)]
    made = [one for answers, _ in alone for one in answers]
    return made, faults + [one for _, wrong in alone for one in wrong]


def _job(model: OpenModel, path: Path, recipe: Recipe) -> dict[str, Any]:
    try:
        file = path.stat()
    except OSError as err:
        raise not_readable(path, err) from err
    return {
        "file": str(path.resolve()),
        "bytes": file.st_size,
        "changed_ns": file.st_mtime_ns,
        "column": recipe.columns.text,
        "id": recipe.data.id,
        "encoding": recipe.data.encoding,
        "model": model_version(model.source),
    }


def _write(file: IO[bytes], lines: Iterator[dict[str, Any]]) -> None:
    """Write lines so that a power cut cannot take them: progress is told of them next."""
    file.writelines(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)
    file.flush()
    os.fsync(file.fileno())


def _finished(folder: Path, out: Path, rows_in: int, *, resumed: int) -> Answered:
    """Put the files in their places, the answers last, and count what is in them."""
    without = _kinds(folder / FAULTS)
    with (folder / ANSWERS).open("rb") as file:
        answered = sum(1 for _ in file)
    faults = _faults_of(out)
    if without:
        (folder / FAULTS).replace(faults)
    else:
        faults.unlink(missing_ok=True)  # of an earlier call
    (folder / ANSWERS).replace(out)
    shutil.rmtree(folder)
    return Answered(
        out=out,
        faults=faults if without else None,
        rows_in=rows_in,
        answered=answered,
        blank=rows_in - answered - without.total(),
        without=dict(without.most_common()),
        resumed=resumed,
    )


def _kinds(path: Path) -> Counter[str]:
    """Return what is wrong with how many rows; of more kinds than are counted, the rest as one."""
    found: Counter[str] = Counter()
    with path.open("rb") as file:
        for line in file:
            what = str(json.loads(line)["what"])
            found[what if what in found or len(found) < _KINDS else _OTHERS] += 1
    return found
