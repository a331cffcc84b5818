"""The output layer of an encoder that foretells words and comes without one.

Encoders for sentence vectors are published without the layer that turns states into words. The
matrix of that layer is the embeddings, which are there; what stands between, a small transform
and a bias, is new. It is trained first, all else standing still: what comes out is the model that
tuning starts from, and the `base` that it has to beat. Else the first epochs of tuning would pull
the encoder towards noise, and any tuned model would beat a base that has never learned to speak.
"""

from pathlib import Path
from typing import Any

from burnish.errors import ModelTaskError
from burnish.recipe.recipe import Recipe
from burnish.recipe.task import MaskedTask as Section
from burnish.recipe.training import FullMethod
from burnish.runfolder import MODEL_FACTS
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import MemoryTracker
from burnish.training.fit import fit
from burnish.training.guard import read_config
from burnish.training.hardware import Hardware
from burnish.training.masked import TRANSFORMS
from burnish.training.modelfolder import save_model_folder
from burnish.training.models import can_answer
from burnish.training.sources import ModelSource, resolve


def with_head(
    recipe: Recipe,
    task: Task,
    source: ModelSource,
    train: Encoded,
    *,
    hardware: Hardware,
    tokenizer: Any,
    folder: Path,
) -> ModelSource:
    """Return the model to start from: the source, or what `folder` holds once a head is trained.

    Args:
        recipe: `task.new_head` says how long, `training` all else.
        task: of the recipe.
        source: the model as it was found.
        train: rows that the head learns.
        hardware: as `training.hardware.probe` found it.
        tokenizer: the model's own.
        folder: a model folder is written there, unless there is one.

    Raises:
        ModelTaskError: BN304, the layers of the encoder are not known.
    """
    section = recipe.task
    if not isinstance(section, Section) or can_answer(source, task):
        return source
    if not (folder / MODEL_FACTS).is_file():
        alone = _of_head(recipe, section, source)
        telling = MemoryTracker()
        fitted = fit(
            alone, task, source, train, None, hardware=hardware, tracker=telling, checkpoints=None
        )
        meta = {"name": recipe.name, "base_model": source.reference, "method": "new-head"}
        save_model_folder(folder, fitted.model, tokenizer, task, meta=meta)
    return resolve(str(folder))


def _of_head(recipe: Recipe, section: Section, source: ModelSource) -> Recipe:
    """Return the recipe that trains nothing but the head."""
    config = read_config(source.config_folder / "config.json")
    if config.get("model_type") not in TRANSFORMS:
        raise ModelTaskError(
            "the model comes without an output layer for words, and how its layers are called "
            f"is not known for {config.get('model_type')!r}",
            where="recipe key `model`",
            fix="use a checkpoint saved with its masked-language-model head",
        )
    layers = int(config.get("num_hidden_layers") or config.get("n_layers") or 0)
    changes = {
        "epochs": section.new_head.epochs,
        "learning_rate": section.new_head.learning_rate,
        "keep": "last",
        "early_stopping": None,
        "dropout": 0.0,
    }
    training = recipe.training.model_copy(update=changes)
    method = FullMethod(freeze=layers)
    return recipe.model_copy(update={"training": training, "method": method})
