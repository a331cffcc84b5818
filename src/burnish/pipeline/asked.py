"""What the inputs of the graph ask for, as keys of a recipe.

A program that drives the graph names a file, a model and a few numbers; every node works on a
recipe. Here one becomes the other, so that there is a single meaning of each setting.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.errors import RecipeError, UsageError
from burnish.pipeline.context import fetchers
from burnish.recipe.document import Document
from burnish.recipe.evaluation import Tracking
from burnish.recipe.fields import SHORTHAND
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe
from burnish.recipe.task import MASKED, PLAIN_TEXT
from burnish.training.guard import read_config
from burnish.training.sources import resolve

WHERE = "inputs of the graph"
_FREE = ("name", "evaluation.", "tracking.")  # what may be another way on a saved run
_PLACES = ("data.from", "model")  # where a path may be written in two ways
_DIGITS = 9  # of shares; 1 - 0.8 - 0.1 is not 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Recipe keys with dots, such as `split.seed`, and the two columns."""

    values: dict[str, Any]
    input_key: str | None  # column of the texts
    output_key: str | None  # column of the answers

    def keys(self, kind: str) -> dict[str, Any]:
        """Return recipe keys for a task of that kind, which reads its own two columns."""
        reads = kind in ("text-classification", PLAIN_TEXT, MASKED)
        names = ("data.text", "data.label") if reads else ("data.input", "data.output")
        columns = zip(names, (self.input_key, self.output_key), strict=True)
        return self.values | {name: column for name, column in columns if column is not None}


def flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested settings with one level, keys joined by dots; a bare kind is its `kind`."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": one for inner, one in flat(value).items()}
        else:
            bare = key in SHORTHAND and isinstance(value, str)
            found[f"{key}.kind" if bare else key] = value
    return found


def shares(train: float | None, validation: float | None) -> dict[str, Any]:
    """Return the recipe's shares of rows; what is left of a training share is held out.

    Raises:
        UsageError: BN103, the shares are more than the whole.
    """
    found = {} if validation is None else {"split.validation": float(validation)}
    if train is None:
        return found
    aside = 0.1 if validation is None else validation
    held_out = round(1 - train - aside, _DIGITS)
    if held_out < 0:
        raise UsageError(
            f"train_size ({train}) and validation_size ({aside}) are more than 1",
            where=WHERE,
            fix="train_size=0.8 and validation_size=0.1 would hold out the tenth that is left",
        )
    return found | {"split.validation": float(aside), "split.test": held_out}


def recipe_of(asked: Asked) -> Recipe:
    """Return the recipe that the inputs ask for; nothing is tracked unless they say so.

    Raises:
        UsageError: BN103, no rows or no model are named.
        RecipeError: BN101, a setting is unknown, missing or out of range.
        ModelNotFoundError: BN301, the model is needed to tell the task and is not there.
    """
    if "model" not in asked.values or not {"data.from", "data.train"} & asked.values.keys():
        raise UsageError(
            "a start from a base model needs rows and a model",
            where=WHERE,
            fix="give `data_path` (or `rows`) and `model_id`",
        )
    kind = asked.values.get("task.kind") or _kind(asked)
    given: dict[str, Any] = {"tracking.trackers": [], "task.kind": kind} | asked.keys(kind)
    return validate(Document(_nested(given), {}, WHERE))


def recipe_of_saved(asked: Asked, saved: Recipe) -> Recipe:
    """Return the recipe of a saved run, with the inputs' own evaluation and tracking.

    Raises:
        UsageError: BN103, an input is not what the saved model was made with.
    """
    known = flat(saved.model_dump(mode="json", by_alias=True))
    wanted = asked.keys(saved.task.kind)
    other = [k for k in wanted if not k.startswith(_FREE) and not _same(k, known, wanted)]
    if other:
        raise UsageError(
            "the saved run was made with "
            + ", ".join(f"{key} = {known.get(key)!r}, not {wanted[key]!r}" for key in other),
            where=WHERE,
            fix="leave these inputs out: a saved run knows its own, or start from `base`",
        )
    free = {key: value for key, value in wanted.items() if key.startswith(_FREE)}
    return validate(Document(_nested(known | {"tracking.trackers": []} | free), {}, WHERE))


def is_of(asked: Asked, saved: Recipe) -> bool:
    """Whether these inputs, as they stand, would make a run that is saved."""
    known = flat(saved.model_dump(mode="json", by_alias=True))
    own = flat(recipe_of(asked).model_dump(mode="json", by_alias=True))
    return all(k.startswith(_FREE) or _same(k, known, own) for k in {*known, *own})


def _same(key: str, known: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    ours, theirs = known.get(key), wanted.get(key)
    if key in _PLACES and isinstance(ours, str) and isinstance(theirs, str):
        return Path(ours).resolve() == Path(theirs).resolve()
    return bool(ours == (list(theirs) if isinstance(theirs, tuple) else theirs))


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return keys with dots as sections in sections."""
    whole: dict[str, Any] = {}
    for key, value in values.items():
        *sections, last = key.split(".")
        place = whole
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return whole


def _kind(asked: Asked) -> str:
    """Return the task that a model's architecture is for."""
    uri = asked.values.get("tracking.uri") or Tracking().uri
    source = resolve(asked.values["model"], fetchers=fetchers(uri))
    config = read_config(source.config_folder / "config.json")
    heads = " ".join(config.get("architectures") or ())
    if config.get("is_encoder_decoder") or "ConditionalGeneration" in heads:
        return "seq2seq"
    if "CausalLM" in heads or "LMHead" in heads:
        return "causal-lm"
    if "SequenceClassification" in heads:
        return "text-classification"
    raise RecipeError(
        f"an architecture {heads or 'without a name'} does not tell the task",
        where=f"input `model_id` ({asked.values['model']})",
        fix='name it: settings={"task": "causal-lm"}, or "seq2seq", or "text-classification"',
    )
