"""Train low-rank adapters beside weights that are held in 4 or 8 bits.

The linear layers of the body are packed (`packed`), in one of two forms (`four_bits`,
`eight_bits`), and the tables of words are held in bf16 (`tables`). How many bits it was is told
in burnish.json, so that a saved adapter is opened over the base it was trained over.

Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs".
"""

from typing import Any

from torch import nn
from transformers.pytorch_utils import Conv1D

from burnish.errors import ModelTaskError
from burnish.recipe.training import QloraMethod
from burnish.training.memory import give_back_memory
from burnish.training.methods import TrainingMethod, lora
from burnish.training.methods.eight_bits import EightBitLinear
from burnish.training.methods.four_bits import FourBitLinear
from burnish.training.methods.packed import PackedLinear
from burnish.training.methods.tables import halve_tables

_PLACE = "method `qlora`, of the recipe or of a saved adapter"
_FORMS: dict[int | None, type[PackedLinear]] = {
    4: FourBitLinear,
    8: EightBitLinear,
    None: FourBitLinear,  # adapters that do not tell are of a time when there was no other
}


def prepare(model: Any, options: QloraMethod) -> Any:
    """Return the model with its body in few bits and adapters added; only they and the head move.

    Raises:
        MissingPackageError: BN401, 4 bits without the package of the extra `qlora`.
        HardwareError: BN404, the package can do nothing on this machine.
        ModelTaskError: BN304, no module has one of the names in `method.targets`, or the body has
            no linear layer, or GPT-2's kind of it.
    """
    prepared = lora.prepare(base(model, options.bits), options)
    give_back_memory()
    return prepared


def base(model: Any, bits: int | None = None) -> Any:
    """Return the model with the body's linear layers in few bits, the tables of words in bf16.

    Raises:
        ValueError: there is no form of so many bits.
        MissingPackageError: BN401, 4 bits without the package of the extra `qlora`.
        HardwareError: BN404, the package can do nothing on this machine.
        ModelTaskError: BN304, the layers hold their weights as (in, out).
    """
    form = _FORMS.get(bits)
    if form is None:
        raise ValueError(f"weights are held in 4 or 8 bits, not in {bits}")
    form.check_machine(where=_PLACE)
    for name in lora.linear_layers(model):
        layer = model.get_submodule(name)
        if isinstance(layer, Conv1D):
            raise ModelTaskError(
                f"{model.config.model_type!r} holds its weights as (in, out), which is not packed",
                where="recipe key `method.kind`",
                fix="set `method: lora`, or use a model of another architecture",
            )
        if type(layer) is nn.Linear:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, form(layer))
            del layer
            give_back_memory()
    halve_tables(model)
    return model


METHOD = TrainingMethod(prepare, lora.merge, base)
