"""Find the model, fit it, and let it answer."""

from typing import Any

from burnish.pipeline.context import Context
from burnish.recipe.recipe import Recipe
from burnish.records import Prediction
from burnish.tasks.base import Encoded, Task
from burnish.training.fit import FitResult, fit
from burnish.training.guard import read_config
from burnish.training.hardware import Hardware, probe
from burnish.training.models import ModelSource, load_model, load_tokenizer, resolve
from burnish.training.predict import logits


def hardware(recipe: Recipe) -> Hardware:
    """What this machine is used as: device, precision, threads."""
    return probe(recipe.training)


def model_source(recipe: Recipe, context: Context) -> ModelSource:
    """Where the model to start from lies."""
    return resolve(recipe.model, fetchers=context.fetchers)


def tokenizer(model_source: ModelSource, task: Task) -> Any:
    """The model's tokenizer, with the task's text clean-up inside."""
    return load_tokenizer(model_source, task)


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
) -> list[Prediction] | None:
    """What the untouched model answers, where it has an output for these very labels."""
    if not recipe.evaluation.base or not _can_answer(model_source, task):
        return None
    model = load_model(model_source, task)
    part = encoded[judged_split]
    return task.decode(logits(model, part, task, hardware), part)


def _can_answer(source: ModelSource, task: Task) -> bool:
    """Whether the model brings a head of its own whose labels are the task's, in their order."""
    config = read_config(source.folder / "config.json") if not source.base else {}
    own = config.get("id2label") or {}
    labels = [own[key] for key in sorted(own, key=int)]
    heads = [name for name in config.get("architectures") or () if "Classification" in name]
    return bool(heads) and labels == list(task.head()["id2label"].values())


def tuned_predictions(
    fitted: FitResult,
    encoded: dict[str, Encoded],
    choosing_split: str | None,
    hardware: Hardware,
) -> dict[str, list[Prediction]]:
    """What the trained model answers on each split."""
    outputs = {choosing_split: fitted.choose_outputs}  # the epoch kept was judged on it already
    found = {}
    for name, part in encoded.items():
        said = outputs.get(name)
        if said is None:
            said = logits(fitted.model, part, fitted.task, hardware)
        found[name] = fitted.task.decode(said, part)
    return found
