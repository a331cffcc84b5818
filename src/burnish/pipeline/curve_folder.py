"""The folder of a learning curve: what it was made from, and a folder for each training.

A training that is finished has a `done.json`, written last; all else of an interrupted one is
begun again or gone on with. So a command that is given twice does what is left, and asking for
more sizes or seeds adds to what is there.
"""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from burnish.errors import UsageError
from burnish.files import (
    empty_folder,
    read_json,
    storage_errors,
    write_json,
    write_jsonl,
    write_text,
)
from burnish.recipe.load import dump_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction
from burnish.runfolder import RunFolder, read_predictions, write_predictions

_FIX = "name another folder with `--out`"


@dataclass(frozen=True, slots=True)
class CurveFolder:
    """Paths of one curve; see `docs/reference/run-folder.md` for what each file holds."""

    root: Path

    @classmethod
    def refuse(cls, recipe: Recipe, out: Path) -> None:
        """Refuse, before any work, a folder that a curve of this recipe cannot go into.

        Raises:
            UsageError: BN103, the curve there is of another recipe.
            StorageError: BN402, the folder holds something else.
        """
        folder = cls(out)
        with storage_errors(out):
            is_begun, is_there = folder.asked.is_file(), out.is_dir()
        if not is_begun:
            if is_there:
                empty_folder(out, fix=_FIX)
        elif read_json(folder.asked).get("recipe_sha256") != _of_recipe(recipe):
            raise UsageError(
                "the learning curve in this folder is of another recipe",
                where=str(out),
                fix=f"{_FIX}, or ask with the recipe.yaml that lies there",
            )

    @classmethod
    def take(
        cls, recipe: Recipe, splits: Mapping[str, pl.DataFrame], out: Path | None
    ) -> "CurveFolder":
        """Return a new folder, or the one that a curve of this recipe and data was begun in.

        Args:
            recipe: of the curve.
            splits: the rows of each split.
            out: the folder; None: `runs/<UTC time>-<name>-curve`.

        Raises:
            UsageError: BN103, the data is no longer what it was: two data sets make no curve.
            StorageError: BN402, the folder cannot be made.
        """
        asked = {"recipe_sha256": _of_recipe(recipe), "rows_sha256": _of_rows(splits)}
        folder = cls(out or RunFolder.create(f"{recipe.name}-curve").root)
        if not folder.asked.is_file():
            write_text(folder.root / "recipe.yaml", dump_recipe(recipe))
            write_json(folder.asked, asked)
        elif read_json(folder.asked) != asked:
            raise UsageError(
                "the data has changed since the learning curve in this folder was begun",
                where=str(folder.root),
                fix=_FIX,
            )
        return folder

    @property
    def asked(self) -> Path:
        """Digests of the recipe and of the rows that the curve is of."""
        return self.root / "asked.json"

    @property
    def curve(self) -> Path:
        """All that was found."""
        return self.root / "curve.json"

    @property
    def page(self) -> Path:
        """The page for people."""
        return self.root / "curve.html"

    def training(self, size: int, seed: int) -> "TrainingFolder":
        """Return where one training is kept."""
        return TrainingFolder(RunFolder(self.root / f"size-{size:06d}" / f"seed-{seed}"))


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """What is kept of one training: answers and the curve of its epochs, no weights."""

    run: RunFolder

    @property
    def _done(self) -> Path:
        return self.run.root / "done.json"

    @property
    def is_done(self) -> bool:
        """Whether the training is finished and kept."""
        return self._done.is_file()

    @property
    def facts(self) -> dict[str, Any]:
        """Rows, seed, seconds, epochs of a finished training."""
        found: dict[str, Any] = read_json(self._done)
        return found

    def keep(
        self,
        answers: Mapping[str, list[Prediction]],
        split: str,
        history: list[dict[str, Any]],
        facts: dict[str, Any],
    ) -> None:
        """Write what a training came to; its weights go."""
        for system, predictions in answers.items():
            write_predictions(self.run.predictions(system, split), predictions)
        write_jsonl(self.run.history, history)
        write_json(self._done, facts | {"systems": list(answers), "split": split})
        self.clear()

    def clear(self) -> None:
        """Remove the weights of a finished training, also where it was killed before that."""
        for folder in (self.run.checkpoints, self.run.start):
            if folder.is_dir():
                with storage_errors(folder):
                    shutil.rmtree(folder)

    def answers(self) -> dict[str, list[Prediction]]:
        """Return the predictions of a finished training by system."""
        facts = self.facts
        return {
            system: read_predictions(self.run.predictions(system, facts["split"]))
            for system in facts["systems"]
        }


def _of_recipe(recipe: Recipe) -> str:
    return hashlib.sha256(dump_recipe(recipe).encode()).hexdigest()


def _of_rows(splits: Mapping[str, pl.DataFrame]) -> str:
    digest = hashlib.sha256()
    for name, rows in splits.items():
        digest.update(f"{name} {rows.height}\n".encode())
        for row in rows.select("id", "text", "labels").iter_rows():
            digest.update(f"{row!r}\n".encode())
    return digest.hexdigest()
