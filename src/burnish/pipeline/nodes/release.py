"""Write what was made: the run folder's files, the model folder, the report, the tracker."""

from itertools import chain
from pathlib import Path
from typing import Any

from burnish.data.ledger import ledger_json
from burnish.data.rewrite import write_parquet
from burnish.data.signals.select import Selection, left_out_lines, summary
from burnish.evaluation.gates import TUNED
from burnish.evaluation.parity import is_exact
from burnish.evaluation.report.render import render
from burnish.files import write_json, write_jsonl, write_text
from burnish.pipeline.arms import Arm, Questions, probes_json
from burnish.pipeline.context import Context
from burnish.pipeline.label_doubts import LabelDoubts
from burnish.pipeline.manifest import manifest_json
from burnish.pipeline.stage import Parts, Stage
from burnish.recipe.recipe import Recipe
from burnish.records import Finding, LedgerEntry, Prediction, Score, Space
from burnish.runfolder import write_predictions
from burnish.tasks.encoded import Encoded
from burnish.training import card
from burnish.training.fit import FitResult
from burnish.training.golden import Golden
from burnish.training.hardware import Hardware
from burnish.training.modelfolder import save_model_folder
from burnish.training.sources import ModelSource
from burnish.training.summary import model_summary


def split_files(context: Context, splits: Parts) -> list[Path]:
    """The rows of each split, kept as parquet."""
    paths = []
    for name, frame in splits.items():
        path = context.folder.splits / f"{name}.parquet"
        write_parquet(path, frame)
        paths.append(path)
    return paths


def findings_file(context: Context, findings: tuple[Finding, ...]) -> Path:
    """What the data checks said, one a line."""
    write_jsonl(context.folder.findings, (finding.to_json() for finding in findings))
    return context.folder.findings


def selection_files(context: Context, selection: dict[str, Selection]) -> list[Path]:
    """What the signals said: a summary, and every row that was left out; none without a formula."""
    if not selection:
        return []
    tallies = {part: found.tally for part, found in selection.items()}
    write_json(context.folder.selection, summary(tallies))
    lines = (left_out_lines(part, found) for part, found in selection.items())
    write_jsonl(
        context.folder.left_out,
        chain.from_iterable(some.iter_rows(named=True) for some in lines),
    )
    return [context.folder.selection, context.folder.left_out]


def label_error_files(context: Context, label_doubts: LabelDoubts | None) -> list[Path]:
    """The rows with doubtful labels, or why nobody looked; none where there are no labels."""
    return [] if label_doubts is None else label_doubts.write(context.folder.label_files)


def ledger_file(context: Context, ledger: tuple[LedgerEntry, ...]) -> Path:
    """The row ledger."""
    write_json(context.folder.ledger, ledger_json(ledger))
    return context.folder.ledger


def history_file(context: Context, fitted: FitResult) -> Path:
    """The training curve."""
    write_jsonl(context.folder.history, fitted.history)
    return context.folder.history


def prediction_files(
    context: Context, predictions: dict[tuple[str, str], list[Prediction]]
) -> list[Path]:
    """Each system's answers, one file a split."""
    paths = []
    for (system, split), rows in predictions.items():
        path = context.folder.predictions(system, split)
        write_predictions(path, rows)
        paths.append(path)
    return paths


def probes_file(
    context: Context, recipe: Recipe, questions: Questions, arms: dict[str, Arm]
) -> Path | None:
    """What each system puts in the place of masks; none where the recipe asks for none."""
    if recipe.evaluation.probes is None:
        return None
    write_json(context.folder.probes, probes_json(recipe, questions, arms))
    return context.folder.probes


def scores_file(context: Context, scores: list[Score]) -> Path:
    """Metrics with intervals."""
    write_json(context.folder.scores, [score.to_json() for score in scores])
    return context.folder.scores


def verdict_file(context: Context, verdict: dict[str, Any]) -> Path:
    """The verdict with reasons and comparisons."""
    write_json(context.folder.verdict, verdict)
    return context.folder.verdict


def manifest_file(
    context: Context,
    recipe: Recipe,
    loaded: Stage,
    splits: Parts,
    label_space: Space,
    hardware: Hardware,
    model_source: ModelSource,
    fitted: FitResult,
    encoded: dict[str, Encoded],
    model_card: Path,
    golden_file: Path | None,
    prediction_files: list[Path],
    verdict_file: Path,
) -> Path:
    """What went in, on which machine, with which versions, how long each stage took."""
    manifest = manifest_json(
        recipe=recipe,
        loaded=loaded.rows,
        splits=splits,
        label_space=label_space,
        hardware=hardware,
        source=model_source,
        fitted=fitted,
        encoded=encoded,
        timings=context.timings,
    )
    write_json(context.folder.manifest, manifest)
    return context.folder.manifest


def model_folder(
    context: Context,
    recipe: Recipe,
    fitted: FitResult,
    tokenizer: Any,
    model_source: ModelSource,
) -> Path:
    """The fitted model as others open it: save_pretrained form, tokenizer, burnish.json."""
    meta = _made_from(recipe, model_source)
    save_model_folder(context.folder.model, fitted.model, tokenizer, fitted.task, meta=meta)
    return context.folder.model


def model_card(
    recipe: Recipe,
    fitted: FitResult,
    model_source: ModelSource,
    model_folder: Path,
    scores: list[Score],
    judged_split: str,
) -> Path:
    """The model's own page, with the scores it reached."""
    reached = [
        score.to_json()
        for score in scores
        if score.system == "tuned" and score.split == judged_split
    ]
    is_adapter = (model_folder / "adapter_config.json").is_file()
    meta = _made_from(recipe, model_source) | {"scores": reached}
    text = card.model_card(fitted.task, meta, form="peft" if is_adapter else "transformers")
    write_text(model_folder / "README.md", text)
    return model_folder / "README.md"


def model_layers(fitted: FitResult) -> str:
    """What the model consists of: layers, shapes, weights, and which of them were trained."""
    return model_summary(fitted.model)


def golden_file(
    recipe: Recipe,
    hardware: Hardware,
    model_folder: Path,
    judged_split: str,
    splits: Parts,
    predictions: dict[tuple[str, str], list[Prediction]],
) -> Path | None:
    """A few judged rows beside the weights, to prove elsewhere that the model answers alike."""
    if recipe.evaluation.golden_rows == 0:
        return None
    answers = hardware.for_answers()
    golden = Golden.choose(
        splits[judged_split],
        predictions[TUNED, judged_split],
        count=recipe.evaluation.golden_rows,
        asked=recipe.task.asked,
        split=judged_split,
        exact=is_exact(answers.precision, answers.device),
    )
    return golden.write(model_folder)


def _made_from(recipe: Recipe, model_source: ModelSource) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "base_model": model_source.reference,
        "base_is_adapter": model_source.base is not None,
        "method": recipe.method.kind,
    }


def report(
    context: Context,
    manifest_file: Path,
    ledger_file: Path,
    findings_file: Path,
    history_file: Path,
    prediction_files: list[Path],
    split_files: list[Path],
    scores_file: Path,
    verdict_file: Path,
    probes_file: Path | None,
    label_error_files: list[Path],
) -> Path:
    """The page for people, made from the files above and nothing else."""
    return render(context.folder)
