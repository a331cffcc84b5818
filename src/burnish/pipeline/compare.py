"""Compare two finished runs, or two prediction files, on the rows they share.

Where a run folder keeps the answered rows and they are of groups, whole groups are resampled.
"""

from pathlib import Path

import polars as pl

from burnish.errors import RunFolderError
from burnish.evaluation.answers import from_predictions, infer_space
from burnish.evaluation.compare import Comparison, compare
from burnish.evaluation.groups import groups_of
from burnish.evaluation.metrics.table import default_metric
from burnish.evaluation.report.runfiles import read_rows
from burnish.evaluation.spaces import space_from_json
from burnish.files import path_errors, read_json
from burnish.records import Prediction, Space
from burnish.runfolder import RunFolder, read_predictions


def compare_paths(a: Path, b: Path, *, metric: str | None = None) -> Comparison:
    """Return the paired comparison of two run folders or prediction files.

    Raises:
        PredictionError: BN602, the rows or the labels differ.
        RunFolderError: BN601, a path is neither a finished run nor a prediction file.
    """
    first, second = _predictions(a), _predictions(b)
    space = _space(a) or _space(b) or infer_space(first, second)
    one = from_predictions(first, space, where=str(a))
    rows = _judged_rows(a)
    if rows is None:
        rows = _judged_rows(b)
    return compare(
        one,
        from_predictions(second, space, where=str(b)),
        metric=metric or _metric(a) or _metric(b) or default_metric(space),
        names=(_name(a), _name(b)),
        groups=None if rows is None else groups_of(rows, one.ids),
    )


def _predictions(path: Path) -> list[Prediction]:
    with path_errors(RunFolderError, where=str(path), fix="name a run, or a file of predictions"):
        is_file = path.is_file()
    if is_file:
        return read_predictions(path)
    folder = RunFolder.open(path)
    if not folder.verdict.is_file():
        raise RunFolderError(
            "the run has not finished: it has no verdict yet",
            where=str(path),
            fix=f"finish it with `burnish resume {path}`",
        )
    return read_predictions(folder.predictions("tuned", read_json(folder.verdict)["split"]))


def _judged_rows(path: Path) -> pl.DataFrame | None:
    """Return the rows that were answered, with their groups; None where no run kept them."""
    folder = RunFolder(_root(path))
    split = read_json(folder.verdict)["split"] if path.is_dir() else path.stem.rpartition(".")[2]
    kept = folder.splits / f"{split}.parquet"
    return read_rows(kept) if kept.is_file() else None


def _metric(path: Path) -> str | None:
    return str(read_json(path / "verdict.json")["metric"]) if path.is_dir() else None


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _root(path: Path) -> Path:
    """Return the run folder, or the one that a prediction file may lie in."""
    return path if path.is_dir() else path.parent.parent


def _space(path: Path) -> Space | None:
    """Return the label space of a run folder, or of the run a prediction file lies in."""
    manifest = _root(path) / "manifest.json"
    if not manifest.is_file():
        return None
    return space_from_json(read_json(manifest)["label_space"])
