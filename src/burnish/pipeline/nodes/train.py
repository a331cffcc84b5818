"""Find the model, fit it, and let it answer."""

from pathlib import Path
from typing import Any

from burnish.errors import UsageError
from burnish.pipeline.arms import Arm, Questions, ask
from burnish.pipeline.context import Context, fetchers
from burnish.pipeline.start import only
from burnish.pipeline.token_cache import CachedTokenizer
from burnish.pipeline.tuned import TunedAnswers
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import MemoryTracker
from burnish.training.fit import FitResult, fit
from burnish.training.hardware import Hardware, probe
from burnish.training.last import last_of
from burnish.training.models import can_answer, load_model, load_tokenizer
from burnish.training.new_head import with_head
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
def start_source(
    recipe: Recipe,
    context: Context,
    task: Task,
    model_source: ModelSource,
    encoded: dict[str, Encoded],
    unselected: Encoded | None,
    hardware: Hardware,
    tokenizer: Any,
) -> ModelSource:
    """The model that is fitted; an output layer that it lacks and needs is trained first."""
    return with_head(
        recipe,
        task,
        model_source,
        encoded["train"] if unselected is None else unselected,
        hardware=hardware,
        tokenizer=tokenizer,
        folder=context.folder.start,
    )


@only("base")
def fitted(
    recipe: Recipe,
    context: Context,
    task: Task,
    start_source: ModelSource,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    hardware: Hardware,
) -> FitResult:
    """The trained model and how it got there."""
    return fit(
        recipe,
        task,
        start_source,
        encoded["train"],
        encoded[choosing_split] if choosing_split else None,
        hardware=hardware,
        tracker=context.tracker,
        checkpoints=context.folder.checkpoints,
        resume=context.resume,
    )


def base_answers(
    recipe: Recipe,
    start_source: ModelSource,
    task: Task,
    questions: Questions,
    hardware: Hardware,
    tokenizer: Any,
) -> Arm | None:
    """What the model answers before tuning, where it has an output for these very answers."""
    if not recipe.evaluation.base or not can_answer(start_source, task):
        return None
    return ask(load_model(start_source, task), task, questions, hardware, tokenizer)


@only("base")
def control_answers(
    recipe: Recipe,
    context: Context,
    start_source: ModelSource,
    task: Task,
    unselected: Encoded | None,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    questions: Questions,
    hardware: Hardware,
    tokenizer: Any,
) -> Arm | None:
    """What the model answers that was tuned the same way on rows from before the selection."""
    if not recipe.evaluation.control:
        return None
    if unselected is None:
        raise UsageError(
            "the rows before the selection are not in this graph",
            where="recipe key `evaluation.control`",
            fix='build the graph with_config({"selects": True})',
        )
    control = fit(
        recipe,
        task,
        start_source,
        unselected,
        encoded[choosing_split] if choosing_split else None,
        hardware=hardware,
        tracker=MemoryTracker(),
        checkpoints=context.folder.control,
        resume=context.resume,
    )
    return ask(control.model, control.task, questions, hardware, tokenizer)


@only("base")
def last_answers(
    recipe: Recipe,
    context: Context,
    start_source: ModelSource,
    task: Task,
    fitted: FitResult,
    tuned_arm: Arm,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    questions: Questions,
    hardware: Hardware,
    tokenizer: Any,
) -> Arm | None:
    """What the model answers as it was at the end of training, where that is asked for."""
    if not recipe.evaluation.last:
        return None
    if fitted.is_last:
        return tuned_arm
    last = last_of(
        recipe,
        task,
        start_source,
        encoded["train"],
        encoded[choosing_split] if choosing_split else None,
        hardware=hardware,
        checkpoints=context.folder.checkpoints,
    )
    return ask(last.model, last.task, questions, hardware, tokenizer)


def tuned_answers(
    fitted: FitResult,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    hardware: Hardware,
    tokenizer: Any,
) -> TunedAnswers:
    """The trained model, ready to answer a split when it is asked for."""
    known, answering = {}, hardware.for_answers()
    if choosing_split and fitted.choose_outputs is not None and answering == hardware:
        known[choosing_split] = fitted.choose_outputs  # the epoch kept was judged on it already
    return TunedAnswers(
        fitted=fitted, encoded=encoded, hardware=answering, tokenizer=tokenizer, known=known
    )


def tuned_predictions(
    tuned_answers: TunedAnswers, judged_split: str
) -> dict[str, list[Prediction]]:
    """What the trained model answers on each split; where it writes, on the judged one alone.

    Rows whose words are hidden by lot are there to learn from; their figures would mean little.
    """
    writes, encoded = tuned_answers.fitted.task.writing, tuned_answers.encoded
    to_judge = [name for name, part in encoded.items() if part.words is None]
    splits = [judged_split] if writes else to_judge
    return {name: tuned_answers.predictions(name) for name in splits}


def tuned_arm(tuned_answers: TunedAnswers, questions: Questions, judged_split: str) -> Arm:
    """What the trained model answers to all that its rivals are asked too."""
    fitted = tuned_answers.fitted
    return ask(
        fitted.model,
        fitted.task,
        questions,
        tuned_answers.hardware,
        tuned_answers.tokenizer,
        judged=tuned_answers.predictions(judged_split),
    )
