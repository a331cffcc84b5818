"""Train low-rank adapters beside frozen weights, and the head with them.

The only module that imports peft. Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large
Language Models", section 4.1.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from burnish.errors import ModelTaskError
from burnish.recipe.training import LoraMethod
from burnish.training.methods import TrainingMethod

# Layers between the body and the labels, by the names transformers gives them. A pooler is
# new, or as good as new, in most checkpoints, so it is trained whole.
_HEAD = ("classifier", "score", "pre_classifier", "pooler")


def prepare(model: Any, options: LoraMethod) -> Any:
    """Return the model with adapters added; only they and the head move.

    Raises:
        ModelTaskError: BN304, no module has one of the names in `method.targets`.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    linear = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    body = [name for name in linear if not set(name.split(".")) & set(_HEAD)]
    targets = body if options.targets == "auto" else list(options.targets)
    if not any(name == one or name.endswith(f".{one}") for one in targets for name in linear):
        known = sorted({name.rpartition(".")[2] for name in body})
        raise ModelTaskError(
            f"no linear layer is called {', '.join(targets)}",
            where="recipe key `method.targets`",
            fix=f"set `method.targets: auto`, or use some of {', '.join(known)}",
        )
    present = {part for name, _ in model.named_modules() for part in name.split(".")}
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=targets,
        modules_to_save=[name for name in _HEAD if name in present],
    )
    with _as_of_now():
        return get_peft_model(model, config)


def merge(model: Any) -> Any:
    """Return an ordinary model with the adapters added into its weights."""
    with _as_of_now():
        return model.merge_and_unload()


def open_adapter(model: Any, folder: Path) -> Any:
    """Return the adapters of `folder` over their base model, in eval mode."""
    from peft import PeftModel

    with _as_of_now():
        return PeftModel.from_pretrained(model, folder, local_files_only=True).eval()


def save_adapter(model: Any, folder: Path) -> None:
    """Write adapters and head to a folder."""
    with _as_of_now():
        # By itself peft asks the hub whether the vocabulary has grown; it has not.
        model.save_pretrained(folder, save_embedding_layers=False)


@contextmanager
def _as_of_now() -> Iterator[None]:
    """Keep quiet that peft calls parts of transformers that will be renamed one day."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


METHOD = TrainingMethod(prepare, merge)
