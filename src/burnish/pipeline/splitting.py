"""A recipe's splits as files of their own, each row as it stood."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from burnish.data.ledger import ledger_json
from burnish.data.load import short_names
from burnish.data.rewrite import part_name, rewrite
from burnish.data.sources import Sources, find_written
from burnish.files import new_folder, sha256, write_json
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.stage import Stage
from burnish.recipe.recipe import Recipe
from burnish.runfolder import RunFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """Splits in a folder that a recipe's `data.from` can name."""

    folder: Path
    files: tuple[Path, ...]
    rows: dict[str, int]  # by split
    dropped: int  # rows that checks, rules and the formula left out

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish data split --json` prints."""
        files = [str(path) for path in self.files]
        return asdict(self) | {"folder": str(self.folder), "files": files}


def write_splits(recipe: Recipe, out: Path) -> Divided:
    """Write the rows of each split of `burnish run`, as they stood in their files.

    The folder gets `train.<format>`, `validation.<format>`, `test.<format>`, numbered where rows
    come from several files; `ledger.json`; and `split.json`, counts, what was asked, and the digest
    of each file read and written. Rows that a run takes from training to choose by (`split.tune`)
    stand with those of training.

    Args:
        recipe: its `data` and `split` sections say which rows and how.
        out: a new or empty folder.

    Raises:
        RecipeError: BN101, the rows are made and lie in no file.
        CheckError, EmptyDataError, SignalError, SplitError: as `burnish run`.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    check_plugins(recipe)
    sources = find_written(recipe.data)
    found = execute(("leak_checked",), recipe=recipe, context=Context.of_nothing())
    stage: Stage = found["leak_checked"]
    splits = _with_tune_in_train(stage)
    with new_folder(out, fix="remove it, or name another with `--out`") as root:
        written = list(_written(recipe, sources, splits, root))
        counts = {name: rows.height for name, rows in splits.items()}
        write_json(RunFolder(root).ledger, ledger_json(stage.entries))
        told = {
            "burnish": version("burnish"),
            "split": recipe.split.model_dump(mode="json"),
            "rows": counts,
            "inputs": {file: sha256(Path(file)) for files in sources.values() for file in files},
            "outputs": {name: sha256(root / name) for name in written},
        }
        write_json(root / "split.json", told)
    return Divided(
        folder=out,
        files=tuple(out / name for name in written),
        rows=counts,
        dropped=sum(sum(entry.dropped.values()) for entry in stage.entries),
    )


def _with_tune_in_train(stage: Stage) -> dict[str, pl.DataFrame]:
    splits = dict(stage.rows)
    if "tune" in splits:
        splits["train"] = pl.concat([splits["train"], splits.pop("tune")])
    return splits


def _written(
    recipe: Recipe, sources: Sources, splits: dict[str, pl.DataFrame], root: Path
) -> Iterator[str]:
    """Write the rows that each split has of each file; yield the new files' names."""
    files = [file for part in sources.values() for file in part]
    names = short_names(files)
    for split, rows in splits.items():
        found = {
            file: rows.filter(pl.col("file") == names[file])["row"].sort().to_list()
            for file in files
        }
        held = {file: numbers for file, numbers in found.items() if numbers}
        for at, (file, numbers) in enumerate(held.items()):
            name = part_name(split, file, at, of=len(held))
            rewrite(Path(file), root / name, numbers, encoding=recipe.data.encoding)
            yield name
