"""Everything the report needs, read from the files of one run folder.

Required files raise RunFolderError (BN601) when they are missing or damaged. Optional ones
become None when they are missing, and the page then says so; a damaged one is an error all
the same, because a report that leaves out half of what it cannot read would mislead.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from burnish.errors import RunFolderError
from burnish.evaluation.answered import Answered
from burnish.evaluation.answers import Answers, from_predictions
from burnish.evaluation.likelihoods import Likelihoods
from burnish.evaluation.spaces import space_from_json
from burnish.evaluation.texts import Texts
from burnish.files import read_json, read_jsonl
from burnish.records import Prediction, Score, Space
from burnish.runfolder import RunFolder, read_predictions

TUNED = "tuned"
_PLACE = ("file", "row", "text", "labels")  # what a line on a row of the data has
_FIX = "make the run again, or name the folder of a finished run"


class Absent(Exception):  # noqa: N818 - nothing is wrong
    """Raised by a section that has nothing to show; says why, for the page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFiles:
    """The content of a run folder, as far as the report tells it."""

    folder: RunFolder
    recipe_text: str
    recipe: Mapping[str, Any]
    manifest: Mapping[str, Any]
    verdict: Mapping[str, Any]
    scores: tuple[Score, ...]
    ledger: Mapping[str, Any] | None
    findings: list[Mapping[str, Any]] | None
    history: list[Mapping[str, Any]] | None
    predictions: Mapping[str, list[Prediction]]  # system → its answers on the judged split
    rows: pl.DataFrame | None  # the judged split, canonical columns
    probes: Mapping[str, Any] | None  # what was put in the place of masks
    labels_checked: Mapping[str, Any] | None  # how many labels are in doubt, or why none is told
    label_errors: list[Mapping[str, Any]] | None  # rows, the most doubtful label first
    conflicts: list[Mapping[str, Any]] | None  # near-duplicates with different labels
    space: Space | None  # None where the manifest does not tell
    _kept: dict[str, Answered] = field(default_factory=dict, repr=False, compare=False)

    @property
    def split(self) -> str:
        """The split the verdict speaks of."""
        return str(self.verdict["split"])

    @property
    def metric(self) -> str:
        """The metric the verdict speaks of."""
        return str(self.verdict["metric"])

    @property
    def name(self) -> str:
        """The name of the recipe."""
        return str(self.recipe.get("name") or self.folder.root.name)

    def section(self, key: str) -> Mapping[str, Any]:
        """Return one object of the manifest; empty where it is absent."""
        value = self.manifest.get(key)
        return value if isinstance(value, Mapping) else {}

    def score(self, system: str) -> Score | None:
        """Return a system's score in the verdict's metric on the judged split."""
        wanted = (system, self.metric, self.split)
        return next((s for s in self.scores if (s.system, s.metric, s.split) == wanted), None)

    def answers(self, system: str = TUNED) -> Answered:
        """Return a system's answers to the rows of the judged split that have a reference.

        Raises:
            Absent: there are none.
            PredictionError: BN602, they do not fit the task of the run.
        """
        if self.space is None:
            raise Absent("The task of this run has no labels.")
        if system not in self._kept:
            found = [p for p in self.predictions.get(system, ()) if p.reference is not None]
            path = self.folder.predictions(system, self.split)
            if not found:
                name = path.relative_to(self.folder.root)
                raise Absent(f"{name} is not in the run folder, or holds no labelled rows.")
            self._kept[system] = from_predictions(found, self.space, where=str(path))
        return self._kept[system]

    def labels(self) -> Answers:
        """Return the tuned model's answers, which are labels; raises what `answers` does."""
        answers = self.answers()
        if not isinstance(answers, Answers):
            raise Absent("The task of this run has no labels.")
        return answers

    def texts(self, system: str = TUNED) -> Texts:
        """Return a system's answers, which are texts; raises what `answers` does."""
        answers = self.answers(system)
        if not isinstance(answers, Texts):
            raise Absent("The answers of this run are no texts.")
        return answers

    def likelihoods(self, system: str = TUNED) -> Likelihoods:
        """Return how likely a system finds the texts; raises what `answers` does."""
        answers = self.answers(system)
        if not isinstance(answers, Likelihoods):
            raise Absent("This run did not learn plain texts.")
        return answers

    def inputs(self) -> Mapping[str, str]:
        """Return the text of each row by its id; empty where the rows are not at hand."""
        if self.rows is None or not {"id", "text"} <= set(self.rows.columns):
            return {}
        pairs = zip(self.rows["id"].to_list(), self.rows["text"].to_list(), strict=True)
        return {str(key): text or "" for key, text in pairs}


def read_run(folder: RunFolder) -> RunFiles:
    """Read the files of a finished run.

    Raises:
        RunFolderError: BN601, recipe.yaml, manifest.json, scores.json or verdict.json is
            missing, or any file that is there is damaged.
    """
    manifest = _object(folder.manifest)
    verdict = _object(folder.verdict, "verdict", "split", "metric")
    with _damage_told(folder.recipe):
        text = folder.recipe.read_text("utf-8")
        recipe = yaml.safe_load(text)
    split = str(verdict["split"])
    rows, labels = folder.splits / f"{split}.parquet", folder.label_files
    return RunFiles(
        folder=folder,
        recipe_text=text,
        recipe=recipe if isinstance(recipe, dict) else {},
        manifest=manifest,
        verdict=verdict,
        scores=_scores(folder.scores),
        ledger=_object(folder.ledger, "entries") if folder.ledger.exists() else None,
        findings=_lines(folder.findings),
        history=_lines(folder.history),
        predictions=_predictions(folder, split),
        rows=read_rows(rows) if rows.exists() else None,
        probes=_object(folder.probes) if folder.probes.exists() else None,
        labels_checked=_object(labels.summary) if labels.summary.exists() else None,
        label_errors=_lines(labels.ranked, *_PLACE, "in_doubt", "confidence", "suggested"),
        conflicts=_lines(labels.conflicts, *_PLACE, "cluster"),
        space=space_from_json(manifest.get("label_space")),
    )


def _object(path: Path, *needed: str) -> Mapping[str, Any]:
    value = read_json(path)
    if not isinstance(value, dict):
        raise RunFolderError("not a JSON object", where=str(path), fix=_FIX)
    if missing := [key for key in needed if key not in value]:
        raise RunFolderError(f"lacks {', '.join(missing)}", where=str(path), fix=_FIX)
    return value


def _lines(path: Path, *needed: str) -> list[Mapping[str, Any]] | None:
    if not path.exists():
        return None
    lines = read_jsonl(path)
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict):
            raise RunFolderError("not a JSON object", where=f"{path}, line {number}", fix=_FIX)
        if missing := [key for key in needed if key not in line]:
            told = f"lacks {', '.join(missing)}"
            raise RunFolderError(told, where=f"{path}, line {number}", fix=_FIX)
    return lines


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, yaml.YAMLError, pl.exceptions.PolarsError) as err:
        raise RunFolderError(f"cannot be read: {err}", where=str(path), fix=_FIX) from err


def _scores(path: Path) -> tuple[Score, ...]:
    nan = float("nan")
    scores = []
    try:
        for entry in read_json(path):
            known = {field.name: entry[field.name] for field in fields(Score)}
            ends = {k: nan for k in ("value", "low", "high") if known[k] is None}
            scores.append(Score(**known | ends))
    except (KeyError, TypeError) as err:
        raise RunFolderError(f"an entry lacks {err}", where=str(path), fix=_FIX) from err
    return tuple(scores)


def _predictions(folder: RunFolder, split: str) -> dict[str, list[Prediction]]:
    suffix = f".{split}.jsonl"
    return {
        path.name.removesuffix(suffix): read_predictions(path)
        for path in sorted((folder.root / "predictions").glob("*.jsonl"))
        if path.name.endswith(suffix)
    }


def read_rows(path: Path) -> pl.DataFrame:
    """Return the rows of a split's file. Raises RunFolderError (BN601) where there is none."""
    with _damage_told(path):
        return pl.read_parquet(path)
