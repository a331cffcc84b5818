"""Compare two finished runs, or two prediction files, on the rows they share."""

from pathlib import Path

from burnish.errors import RunFolderError
from burnish.evaluation.answers import from_predictions, infer_space
from burnish.evaluation.compare import Comparison, compare
from burnish.evaluation.metrics.table import default_metric
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
    return compare(
        from_predictions(first, space, where=str(a)),
        from_predictions(second, space, where=str(b)),
        metric=metric or _metric(a) or _metric(b) or default_metric(space),
        names=(_name(a), _name(b)),
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


def _metric(path: Path) -> str | None:
    return str(read_json(path / "verdict.json")["metric"]) if path.is_dir() else None


def _name(path: Path) -> str:
    return path.name if path.is_dir() else path.stem


def _space(path: Path) -> Space | None:
    """Return the label space of a run folder, or of the run a prediction file lies in."""
    root = path if path.is_dir() else path.parent.parent
    manifest = root / "manifest.json"
    if not manifest.is_file():
        return None
    return space_from_json(read_json(manifest)["label_space"])
