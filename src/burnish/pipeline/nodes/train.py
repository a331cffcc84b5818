"""Find the model, fit it, and let it answer."""

from pathlib import Path
from typing import Any

from burnish.pipeline.context import Context, fetchers
from burnish.pipeline.start import only
from burnish.pipeline.token_cache import CachedTokenizer
from burnish.pipeline.tuned import TunedAnswers
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction
from burnish.tasks.base import Encoded, Task
from burnish.training.fit import FitResult, fit
from burnish.training.hardware import Hardware, probe
from burnish.training.models import can_answer, load_model, load_tokenizer
from burnish.training.predict import predictions
from burnish.training.sources import ModelSource, resolve


def hardware(recipe: Recipe) -> Hardware:
    """What this machine is used as: device, precision, threads."""
    return probe(recipe.training)


def model_source(recipe: Recipe) -> ModelSource:
    """Where the model to start from lies."""
    return resolve(recipe.model, fetchers=fetchers(recipe.tracking.uri))


@only("base")
def tokenizer(model_source: ModelSource, asked_task: Task, token_cache: Path | None) -> Any:
    """The model's tokenizer, with the task's text clean-up inside; looks up texts seen before."""
    tokenizer = load_tokenizer(model_source, asked_task)
    return tokenizer if token_cache is None else CachedTokenizer(tokenizer, token_cache)


@only("base")
def fitted(
    recipe: Recipe,
    context: Context,
    task: Task,
    model_source: ModelSource,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    hardware: Hardware,
) -> FitResult:
    """The trained model and how it got there."""
    return fit(
        recipe,
        task,
        model_source,
        encoded["train"],
        encoded[choosing_split] if choosing_split else None,
        hardware=hardware,
        tracker=context.tracker,
        checkpoints=context.folder.checkpoints,
        resume=context.resume,
    )


def base_predictions(
    recipe: Recipe,
    model_source: ModelSource,
    task: Task,
    encoded: dict[str, Encoded],
    judged_split: str,
    hardware: Hardware,
    tokenizer: Any,
) -> list[Prediction] | None:
    """What the untouched model answers, where it has an output for these very answers."""
    if not recipe.evaluation.base or not can_answer(model_source, task):
        return None
    model = load_model(model_source, task)
    return predictions(model, encoded[judged_split], task, hardware, tokenizer)


def tuned_answers(
    fitted: FitResult,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    hardware: Hardware,
    tokenizer: Any,
) -> TunedAnswers:
    """The trained model, ready to answer a split when it is asked for."""
    known = {}
    if choosing_split and fitted.choose_outputs is not None:
        known[choosing_split] = fitted.choose_outputs  # the epoch kept was judged on it already
    return TunedAnswers(
        fitted=fitted, encoded=encoded, hardware=hardware, tokenizer=tokenizer, known=known
    )


def tuned_predictions(
    tuned_answers: TunedAnswers, judged_split: str
) -> dict[str, list[Prediction]]:
    """What the trained model answers on each split; where it writes, on the judged one alone."""
    writes = tuned_answers.fitted.task.writing
    splits = [judged_split] if writes else list(tuned_answers.encoded)
    return {name: tuned_answers.predictions(name) for name in splits}
