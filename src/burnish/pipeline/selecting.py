"""The rows that a recipe's formula selects, as files of their own, and why the others went.

What is read, checked and selected is what `burnish run` would learn from; so a set can be looked
at, kept and named before anything is trained.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from burnish.data.ledger import ledger_json
from burnish.data.load import short_names
from burnish.data.readers import format_of
from burnish.data.rewrite import rewrite
from burnish.data.signals.select import Selection, left_out_lines, summary
from burnish.data.sources import MADE, find_sources
from burnish.errors import RecipeError
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.plugins import check_plugins
from burnish.recipe.recipe import Recipe
from burnish.runfolder import RunFolder, empty_folder, sha256, write_json, write_jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A set of rows in a folder that a recipe's `data.from` can name."""

    folder: Path
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
    `selection.json`, the formula, the counts, and the digest of each file that was read. A kept row
    is traced by `lineage.jsonl`: its file and row of old, and its row in the new file.

    Args:
        recipe: its `data` section says which rows; it needs a `data.select`.
        out: a new or empty folder.

    Raises:
        RecipeError: BN101, there is no formula, or the rows are made and lie in no file.
        CheckError, EmptyDataError, SignalError: as `burnish run`.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    check_plugins(recipe)
    sources = find_sources(recipe.data)
    _refuse(recipe, sources)
    found = execute(("selection", "selected"), recipe=recipe, context=Context.of_nothing())
    selections: dict[str, Selection] = found["selection"]
    folder = RunFolder(empty_folder(out, fix="remove it, or name another with `--out`"))
    written = list(_rewritten(recipe, sources, selections, folder.root))
    write_jsonl(folder.root / "lineage.jsonl", (line for _, lines in written for line in lines))
    write_jsonl(folder.left_out, left_out_lines(selections).iter_rows(named=True))
    write_json(folder.ledger, ledger_json(found["selected"].entries))
    told = {"burnish": version("burnish"), "inputs": _inputs(sources)} | summary(selections)
    write_json(folder.selection, told)
    return Selected(
        folder=folder.root,
        formula=told["formula"],
        files=tuple(path for path, _ in written),
        kept={part: one.kept.height for part, one in selections.items()},
        left_out={part: one.left_out.height for part, one in selections.items()},
    )


def _inputs(sources: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
    return [
        {"part": part, "path": file, "sha256": sha256(Path(file))}
        for part, files in sources.items()
        for file in files
    ]


def _refuse(recipe: Recipe, sources: dict[str, tuple[str, ...]]) -> None:
    if recipe.data.select is None:
        raise RecipeError(
            "the recipe has no formula to select by",
            where="recipe key `data.select`",
            fix='write one over `data.signals`, such as `select: "brand & ~negative"`',
        )
    made = [file for files in sources.values() for file in files if file.startswith(MADE)]
    if made:
        raise RecipeError(
            f"the rows of {made[0]} are made up and lie in no file",
            where="recipe key `data.from`",
            fix="write them with `burnish data synth --out FOLDER`, and name that folder",
        )


def _rewritten(
    recipe: Recipe,
    sources: dict[str, tuple[str, ...]],
    selections: dict[str, Selection],
    folder: Path,
) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """Write the kept rows of each source; yield the new file and a line for each row of it."""
    names = short_names(file for files in sources.values() for file in files)
    for part, files in sources.items():
        kept = selections[part].kept
        for number, file in enumerate(files):
            mine = kept.filter(kept["file"] == names[file])
            rows = mine.select("id", "row").sort("row")
            mark = "" if len(files) == 1 else f"-{number:05d}"
            path = folder / f"{part}{mark}.{format_of(Path(file))}"
            rewrite(Path(file), path, rows["row"].to_list(), encoding=recipe.data.encoding)
            yield (
                path,
                [
                    {"file": path.name, "row": at, "id": key, "from": file, "from_row": row}
                    for at, (key, row) in enumerate(rows.iter_rows(), 1)
                ],
            )
