"""Write a run's model in another form, and prove that it still answers as it was judged."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish.errors import ParityError, RunFolderError
from burnish.evaluation.gates import TUNED
from burnish.evaluation.likelihoods import TOPS
from burnish.evaluation.report.runfiles import read_rows
from burnish.evaluation.report.words import share
from burnish.files import empty_folder, read_json, write_json
from burnish.records import Prediction
from burnish.runfolder import MODEL_FACTS, RunFolder, read_predictions
from burnish.training.exports import EXPORTS, Bounds
from burnish.training.modelfolder import Answerer

# What the arithmetic of the run allows, for labels and for written answers. An export computes in
# fp32, so a run judged in bf16, or on a GPU that shortens fp32 products, differs by their rounding.
# A written answer is a chain of choices: one near tie that falls otherwise changes all after it.
_FP32 = {"labels": Bounds(1e-4, 1.0), "texts": Bounds(1e-3, 0.99)}
_ROUNDED = {"labels": Bounds(0.03, 0.995), "texts": Bounds(0.2, 0.5)}
# Scores that say something of the answer, not of the model; and counts, in which one near tie
# that falls otherwise is a whole token.
_NOT_COMPARED = ("complete", "tokens", *TOPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """How the exported model's answers compare with those that were judged.

    A score is a probability, or of a written answer the log-likelihood of the reference, in nats
    a token.
    """

    format: str
    split: str
    rows: int
    equal_answers: int
    largest_score_difference: float
    most_allowed: float
    least_equal_share: float

    @property
    def holds(self) -> bool:
        """Whether the export answers as the judged model, within the bounds."""
        return (
            self.largest_score_difference <= self.most_allowed
            and self.equal_answers >= self.least_equal_share * self.rows
        )

    @property
    def words(self) -> str:
        """The comparison in a sentence."""
        return (
            f"{self.equal_answers:,} of {self.rows:,} answers on {self.split} "
            f"({share(self.equal_answers, self.rows)}; at least {share(self.least_equal_share, 1)} "
            f"asked) are those that were judged; scores differ by at most "
            f"{self.largest_score_difference:.1g} ({self.most_allowed:g} allowed)"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the content of parity.json."""
        return asdict(self) | {"holds": self.holds}


def export(run: Path, form: str, out: Path | None) -> tuple[Path, Parity]:
    """Write the run's model in `form` to `out` (none: `RUN/export/<form>`), and check it.

    Raises:
        RunFolderError: BN601, not a run folder, or it holds no answers of the tuned model.
        StorageError: BN402, the folder cannot be written, or is not empty.
        ParityError: BN603, the export answers otherwise; it stays there to be looked at.
    """
    folder, chosen = RunFolder.open(run), EXPORTS.get(form)
    split = read_json(folder.verdict)["split"]
    judged, rows = _judged(folder, split), read_rows(folder.splits / f"{split}.parquet")
    place = empty_folder(
        out or folder.root / "export" / form, fix="remove it, or name another with `--out`"
    )
    answerer = Answerer.open(folder.model)
    facts = read_json(folder.model / MODEL_FACTS)
    meta = {key: facts.get(key) for key in ("name", "base_model", "method")}
    chosen.write(answerer, meta | {"scores": _scores(folder, split)}, place)
    encoded = answerer.task.encode(rows, answerer.tokenizer)
    answers = chosen.open(place)(encoded)
    measure = "labels" if answerer.task.space.asked == "labels" else "texts"
    allowed = _bounds(folder, measure).widened(chosen.bounds)
    parity = _compare(form, split, judged, answers, allowed)
    write_json(place / "parity.json", parity.to_json())
    if not parity.holds:
        raise ParityError(
            f"the export answers otherwise: {parity.words}",
            where=str(place),
            fix="do not use it; export again from a run made on this machine, or report this",
        )
    return place, parity


def _judged(folder: RunFolder, split: str) -> list[Prediction]:
    path = folder.predictions(TUNED, split)
    if path.is_file():
        return read_predictions(path)
    raise RunFolderError(
        "it holds no answers of the tuned model to compare with",
        where=str(folder.root / "predictions"),
        fix="name the folder of a finished run",
    )


def _scores(folder: RunFolder, split: str) -> list[dict[str, Any]]:
    kept = read_json(folder.scores)
    return [one for one in kept if one["system"] == TUNED and one["split"] == split]


def _bounds(folder: RunFolder, measure: str) -> Bounds:
    used = read_json(folder.manifest)["hardware"]
    precision = used.get("answers", used["precision"])
    found = _FP32 if (used["device"], precision) == ("cpu", "fp32") else _ROUNDED
    return found[measure]


def _compare(
    form: str,
    split: str,
    judged: list[Prediction],
    answers: list[Prediction],
    allowed: Bounds,
) -> Parity:
    told = {one.example_id: one for one in answers}
    pairs = [(one, told[one.example_id]) for one in judged]
    return Parity(
        format=form,
        split=split,
        rows=len(pairs),
        equal_answers=sum(a.answer == b.answer for a, b in pairs),
        largest_score_difference=max(_gap(a, b) for a, b in pairs),
        most_allowed=allowed.difference,
        least_equal_share=allowed.equal,
    )


def _gap(a: Prediction, b: Prediction) -> float:
    """Return the largest difference of a probability, or of the log-likelihood of a token."""
    tokens = max(1.0, a.scores.get("tokens", 1.0))
    gaps = (
        abs(score - b.scores[name]) / tokens
        for name, score in a.scores.items()
        if name not in _NOT_COMPARED
    )
    return max(gaps, default=0.0)
