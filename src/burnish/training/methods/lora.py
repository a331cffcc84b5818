"""Train low-rank adapters beside frozen weights, and the head with them.

The only module that imports peft. Source: Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large
Language Models", section 4.1.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from burnish.errors import ModelTaskError
from burnish.recipe.training import AdapterMethod
from burnish.training.dropout import INTEGERS, Noise, amends
from burnish.training.hardware import computing_dtype
from burnish.training.methods import TrainingMethod
from burnish.training.methods.low_rank import Held, adapted
from burnish.training.packing import plain

# Layers between the body and the labels, by the names transformers gives them. A pooler is
# new, or as good as new, in most checkpoints, so it is trained whole.
_HEAD = ("classifier", "score", "pre_classifier", "pooler")
_OUTPUT = (
    "lm_head",
    "embed_out",
    "predictions",
    "vocab_projector",
    "generator_lm_head",
)  # layers over the vocabulary, never adapted
_LINEAR = (nn.Linear, Conv1D)  # GPT-2's kind holds its weight as (in, out)
_BESIDE = ".base_layer"  # how peft calls the layer that an adapter stands beside


def prepare(model: Any, options: AdapterMethod) -> Any:
    """Return the model with adapters added; only they and the head move.

    Raises:
        ModelTaskError: BN304, no module has one of the names in `method.targets`, or the body has
            no linear layer.
    """
    with as_of_now():
        from peft import LoraConfig, TaskType, get_peft_model

    targets = _targets(model, options)
    present = {part for name, _ in model.named_modules() for part in name.split(".")}
    config = LoraConfig(
        task_type=_kind(model, TaskType),
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=targets,
        modules_to_save=[name for name in _HEAD if name in present],
        fan_in_fan_out=any(isinstance(part, Conv1D) for part in model.modules()),
    )
    with as_of_now():
        adapted_model = get_peft_model(model, config)
    _fuse(adapted_model)
    return adapted_model


def linear_layers(model: Any) -> list[str]:
    """Return the names of the body's linear layers: not the head's, not the layer of words."""
    return [name for name in _all_linear(model) if not set(name.split(".")) & {*_HEAD, *_OUTPUT}]


def _all_linear(model: Any) -> list[str]:
    return [name for name, part in model.named_modules() if isinstance(part, _LINEAR)]


def _targets(model: Any, options: AdapterMethod) -> list[str]:
    """Return the names, or ends of names, of the layers that get adapters."""
    body = linear_layers(model)
    if not body:
        raise ModelTaskError(
            f"{model.config.model_type!r} has no linear layers that adapters could stand beside",
            where="recipe key `method.kind`",
            fix="set `method: full`, or use a model of another architecture",
        )
    if options.targets == "auto":
        return body
    targets = list(options.targets)
    linear = _all_linear(model)
    if not any(name == one or name.endswith(f".{one}") for one in targets for name in linear):
        known = sorted({name.rpartition(".")[2] for name in body})
        raise ModelTaskError(
            f"no linear layer is called {', '.join(targets)}",
            where="recipe key `method.targets`",
            fix=f"set `method.targets: auto`, or use some of {', '.join(known)}",
        )
    return targets


def _fuse(model: Any) -> None:
    """Have every adapted linear layer computed as one step; nothing that is saved changes."""
    from peft.tuners.lora import Linear

    class FusedLinear(Linear):  # type: ignore[misc]  # peft has no types
        """The same layer; what it cannot do in one step is left to peft."""

        def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            base = self.base_layer
            weight = _weight(base)
            plain_case = (
                not (args or kwargs or self.merged or self.disable_adapters or self.lora_variant)
                and len(self.active_adapters) == 1
            )
            if weight is None or not plain_case:
                out: Tensor = super().forward(x, *args, **kwargs)
                return out
            name = self.active_adapters[0]
            keeps, amended = _dropping(self.lora_dropout[name], x)
            return adapted(
                x,
                weight,
                base.bias,
                self.lora_A[name].weight,
                self.lora_B[name].weight,
                scale=self.scaling[name] * amended,
                keeps=keeps,
            )

    for part in model.modules():
        if type(part) is Linear:
            part.__class__ = FusedLinear


def _weight(layer: Any) -> Tensor | Held | None:
    """Return a frozen layer's weight, or what makes it; None where the layer does more."""
    if type(layer) in _LINEAR:
        weight: Tensor = layer.weight
        return weight.T if type(layer) is Conv1D else weight
    return getattr(layer, "unpacked", None)


def _kind(model: Any, kinds: Any) -> Any:
    """Return what peft calls the model's kind."""
    base = plain(model)
    if base.get_output_embeddings() is None:
        return kinds.SEQ_CLS
    if base.config.is_encoder_decoder:
        return kinds.SEQ_2_SEQ_LM
    # PEFT has no kind for an encoder that foretells words; without one it adds nothing of its own.
    return kinds.CAUSAL_LM if base.can_generate() else None


def _dropping(dropout: Any, activations: Tensor) -> tuple[Tensor | None, float]:
    """Return which activations a dropout layer lets through, and what makes up for the others."""
    share = getattr(dropout, "p", 0.0) if dropout.training else 0.0
    if not share:
        return None, 1.0
    kind = INTEGERS[computing_dtype(activations).itemsize]
    noise: Noise | None = getattr(dropout, "noise", None)
    if noise is None:  # PyTorch's own layer
        stays = dropout(torch.ones_like(activations)) != 0
        return stays.to(kind).neg_(), 1 / (1 - share)
    return noise.keeps(activations.shape, share, like=kind), amends(share)


def still_layers(model: Any) -> dict[str, nn.Linear]:
    """Return the frozen layers beside adapters, and that of words, by their names in the base."""
    base = plain(model)
    words = base.get_output_embeddings()
    return {
        name.removesuffix(_BESIDE): part
        for name, part in base.named_modules()
        if type(part) is nn.Linear
        and (name.endswith(_BESIDE) or part is words)
        and not part.weight.requires_grad
    }


def merge(model: Any) -> Any:
    """Return an ordinary model with the adapters added into its weights.

    Weights that are held in another form are written out first.
    """
    for part in list(model.modules()):
        for name, child in part.named_children():
            if hasattr(child, "written_out"):
                setattr(part, name, child.written_out())
    with as_of_now():
        return model.merge_and_unload()


def open_adapter(model: Any, folder: Path) -> Any:
    """Return the adapters of `folder` over their base model, in eval mode."""
    with as_of_now():
        from peft import PeftModel

        return PeftModel.from_pretrained(model, folder, local_files_only=True).eval()


def save_adapter(model: Any, folder: Path) -> None:
    """Write adapters and head to a folder."""
    with as_of_now():
        # By itself peft asks the hub whether the vocabulary has grown; it has not.
        model.save_pretrained(folder, save_embedding_layers=False)


@contextmanager
def as_of_now() -> Iterator[None]:
    """Keep quiet that peft calls parts of transformers that will be renamed one day.

    Where bitsandbytes is installed peft imports it, and that names a kernel it does without.
    """
    log = logging.getLogger("bitsandbytes")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        log.setLevel(level)


METHOD = TrainingMethod(prepare, merge, still=still_layers)
