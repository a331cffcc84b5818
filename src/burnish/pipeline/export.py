"""Write a run's model in another form, and prove that it still answers as it was judged."""

from pathlib import Path
from typing import Any

from burnish.errors import ParityError, RunFolderError
from burnish.evaluation.gates import TUNED
from burnish.evaluation.parity import Parity, bounds, compare, is_exact
from burnish.evaluation.report.runfiles import read_rows
from burnish.files import empty_folder, read_json, write_json
from burnish.records import Prediction
from burnish.runfolder import MODEL_FACTS, RunFolder, read_predictions
from burnish.training.exports import EXPORTS
from burnish.training.golden import Golden
from burnish.training.modelfolder import Answerer


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
    answers = {one.example_id: one for one in chosen.open(place)(encoded)}
    allowed = bounds(answerer.task.space.asked, exact=_exact(folder)).widened(chosen.bounds)
    parity = compare(judged, answers, split=split, allowed=allowed)
    if golden := Golden.read(folder.model):
        golden.write(place)
    write_json(place / "parity.json", {"format": form} | parity.to_json())
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


def _exact(folder: RunFolder) -> bool:
    """Whether the run was judged in fp32 on a processor, as an export computes."""
    used = read_json(folder.manifest)["hardware"]
    return is_exact(used.get("answers", used["precision"]), used["device"])
