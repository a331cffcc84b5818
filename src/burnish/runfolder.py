"""The run folder: where each file of a run lies, and its files of predictions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, Self

from burnish.errors import RunFolderError
from burnish.files import empty_folder, path_errors, read_jsonl, storage_errors, write_jsonl
from burnish.records import Prediction

_LABEL_FILES = ("label-errors.json", "label-errors.jsonl", "conflicts.jsonl")
MODEL_FACTS = "burnish.json"  # in a model folder: task, thresholds, what it was made from


class LabelFiles(NamedTuple):
    """Paths of what is said of labels that are likely wrong."""

    summary: Path  # how many rows were looked at, flagged, and in conflict; or why nobody looked
    ranked: Path  # every row, the one with the most doubtful label first
    conflicts: Path  # near-duplicates with different labels

    @classmethod
    def of(cls, root: Path) -> Self:
        """Return the paths in a run folder, or in a folder of their own."""
        return cls(*(root / name for name in _LABEL_FILES))


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run; see `docs/reference/run-folder.md` for what each file holds."""

    root: Path

    @classmethod
    def create(cls, name: str, *, out: Path | None = None) -> "RunFolder":
        """Make a new, empty run folder: `out`, or `runs/<UTC time>-<name>`.

        Raises:
            StorageError: BN402, it exists and is not empty, or cannot be made.
        """
        if out is None:
            return cls(_own_folder(Path("runs"), name))
        root = out
        fix = "name another folder with `--out`, or go on with `burnish resume`"
        return cls(empty_folder(root, fix=fix))

    @classmethod
    def open(cls, root: Path) -> "RunFolder":
        """Return an existing run folder.

        Raises:
            RunFolderError: BN601, `root` holds no recipe.yaml.
        """
        fix = "name a folder that `burnish run` made, such as runs/<time>-<name>"
        with path_errors(RunFolderError, where=str(root), fix=fix):
            is_run = (root / "recipe.yaml").is_file()
        if not is_run:
            what = "not a run folder: it holds no recipe.yaml"
            raise RunFolderError(what, where=str(root), fix=fix)
        return cls(root)

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.root / "recipe.yaml"

    @property
    def manifest(self) -> Path:
        """Inputs, versions, machine, timings."""
        return self.root / "manifest.json"

    @property
    def ledger(self) -> Path:
        """Rows in = rows kept + rows dropped, by stage and reason."""
        return self.root / "ledger.json"

    @property
    def findings(self) -> Path:
        """What the data checks said."""
        return self.root / "findings.jsonl"

    @property
    def history(self) -> Path:
        """Training curve: one line for each logged step and epoch."""
        return self.root / "history.jsonl"

    @property
    def tracking(self) -> Path:
        """Where trackers keep the run, by tracker, such as `mlflow: runs:/<id>`."""
        return self.root / "tracking.json"

    @property
    def scores(self) -> Path:
        """Metrics with intervals."""
        return self.root / "scores.json"

    @property
    def verdict(self) -> Path:
        """ship, keep-baseline or need-more-data, with reasons."""
        return self.root / "verdict.json"

    @property
    def report(self) -> Path:
        """The self-contained page."""
        return self.root / "report.html"

    @property
    def start(self) -> Path:
        """The model that was fitted, where its output layer had to be trained first."""
        return self.root / "start"

    @property
    def model(self) -> Path:
        """The model in save_pretrained form."""
        return self.root / "model"

    @property
    def checkpoints(self) -> Path:
        """Training state to resume from."""
        return self.root / "checkpoints"

    @property
    def splits(self) -> Path:
        """The rows of each split as they were used, one parquet file a split."""
        return self.root / "splits"

    @property
    def control(self) -> Path:
        """Checkpoints of the control, which learned rows from before the selection."""
        return self.root / "control"

    @property
    def probes(self) -> Path:
        """What each system put in the place of masks."""
        return self.root / "probes.json"

    @property
    def selection(self) -> Path:
        """What the recipe's formula of signals selected."""
        return self.root / "selection.json"

    @property
    def left_out(self) -> Path:
        """The rows that it left out."""
        return self.root / "left-out.jsonl"

    @property
    def label_files(self) -> LabelFiles:
        """What is said of labels that are likely wrong."""
        return LabelFiles.of(self.root)

    def predictions(self, system: str, split: str) -> Path:
        """Return the prediction file of one system on one split."""
        return self.root / "predictions" / f"{system}.{split}.jsonl"


def _own_folder(parent: Path, name: str) -> Path:
    """Make a folder that no other run has, begun in the same second as it may be."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path, again = parent / f"{stamp}-{name}", 2
    with storage_errors(path):
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                path.mkdir()  # looking first would leave time for another to make it
            except FileExistsError:
                path, again = parent / f"{stamp}-{name}-{again}", again + 1
            else:
                return path


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write one prediction a line."""
    write_jsonl(path, (p.to_json() for p in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """Return the predictions of a file, in its order.

    Raises:
        RunFolderError: BN601, the file is missing, not JSON lines, or a line lacks id or answer, or
            holds them or scores as another kind of value; names the line.
    """
    predictions = []
    for at, value in enumerate(read_jsonl(path)):
        try:
            predictions.append(Prediction.from_json(value))
        except (KeyError, TypeError, AttributeError, ValueError) as err:
            told = f"it has no {err}" if isinstance(err, KeyError) else str(err)
            raise RunFolderError(
                f"no prediction: {told}",
                where=f"{path}, line {_line_number(path, at)}",
                fix='write each line as {"id": "1", "answer": ["a"], "reference": ["a"], '
                '"scores": {"a": 0.9}}, or make the run again',
            ) from err
    return predictions


def _line_number(path: Path, at: int) -> int:
    """Return the number of a line of JSON lines, given how many that are not empty are before."""
    lines = path.read_text("utf-8").split("\n")
    return [number for number, line in enumerate(lines, 1) if line][at]
