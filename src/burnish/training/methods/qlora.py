"""Train low-rank adapters beside weights that are held in 4 bits.

The only module that imports bitsandbytes, for its form of the weights: a block of 64 has a scale,
a weight is one of 16 values of a normal distribution (nf4), and the scales are held in 8 bits.
Layers compute in the precision of the run with the weight written out for that one product, in
training and afterwards alike; the library's own layer changes to bf16 for answers on some
processors. Weights are packed on the processor whatever the device, and the same way each time,
so a saved adapter finds the base it was trained over.

Tables of words, which are half of a small model, are held in bf16: most models are published so.

Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", sections 2 and 3.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from burnish.errors import HardwareError, MissingPackageError, ModelTaskError
from burnish.recipe.training import QloraMethod
from burnish.training.hardware import computing_dtype
from burnish.training.memory import give_back_memory
from burnish.training.methods import TrainingMethod, lora
from burnish.training.methods.low_rank import Held

_PLACE = "method `qlora`, of the recipe or of a saved adapter"
_FORM = "nf4"
_BLOCK = 64  # weights a scale
_SCALE_BLOCK = 256  # scales a scale of theirs


class FourBitLinear(nn.Linear):
    """A frozen linear layer whose weight is held in 4 bits."""

    packed: Tensor  # two weights a byte
    scales: Tensor  # one a block, in 8 bits, less their mean
    mean_scale: Tensor
    scale_levels: Tensor  # what the 8 bits stand for, shape (256,)
    scale_scales: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)  # nn.Linear's own would make a weight
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.bias = layer.bias
        for name, part in _packed(layer.weight.detach().float().cpu()).items():
            self.register_buffer(name, part.to(layer.weight.device))
        self.requires_grad_(False)

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Return the weight, shape (out, in), made anew."""
        from bitsandbytes import functional as library

        scales = library.QuantState(
            absmax=self.scale_scales,
            code=self.scale_levels,
            blocksize=_SCALE_BLOCK,
            dtype=torch.float32,
        )
        form = library.QuantState(
            absmax=self.scales,
            shape=torch.Size((self.out_features, self.in_features)),
            blocksize=_BLOCK,
            quant_type=_FORM,
            dtype=dtype,
            offset=self.mean_scale,
            state2=scales,
        )
        whole: Tensor = library.dequantize_4bit(self.packed, form)
        return whole

    @property
    def weight(self) -> Tensor:  # type: ignore[override]  # a parameter in nn.Linear
        """The weight in fp32, for code that looks at it, such as T5's at its precision."""
        return self.unpacked(torch.float32)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what a linear layer with this weight does, shape (…, out)."""
        inputs = inputs.to(computing_dtype(inputs))
        bias = None if self.bias is None else self.bias.to(inputs.dtype)
        out: Tensor = _Product.apply(  # type: ignore[no-untyped-call]  # torch has no types
            inputs, self.unpacked, bias
        )
        return out

    def written_out(self) -> nn.Linear:
        """Return an ordinary layer with the same weight, in fp32."""
        layer = nn.Linear(self.in_features, self.out_features, bias=False, device="meta")
        layer.weight = nn.Parameter(self.weight)
        layer.bias = self.bias
        return layer.requires_grad_(False)


class _Product(torch.autograd.Function):
    """A product with a frozen weight that nobody keeps for the way back."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Held, bias: Tensor | None) -> Tensor:
        ctx.held = weight
        return F.linear(inputs, weight(inputs.dtype), bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0] @ ctx.held(gradients[0].dtype), None, None


class HalfEmbedding(nn.Embedding):
    """A frozen table of words held in bf16; what comes out is fp32."""

    def forward(self, ids: Tensor) -> Tensor:
        """Return embeddings, shape (*ids.shape, size)."""
        return super().forward(ids).float()

    def written_out(self) -> nn.Embedding:
        """Return the same layer with its table in fp32."""
        layer: nn.Embedding = _turned(self, nn.Embedding, torch.float32)
        return layer


class HalfLinear(nn.Linear):
    """A frozen layer over the vocabulary held in bf16; it computes in its input's precision."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits, shape (…, vocabulary)."""
        if not inputs.numel():  # asked in training, where the loss is computed apart
            return inputs.new_empty(*inputs.shape[:-1], self.out_features)
        if torch.is_autocast_enabled(inputs.device.type):
            return super().forward(inputs)
        return F.linear(inputs, self.weight.to(inputs.dtype), self.bias)

    def written_out(self) -> nn.Linear:
        """Return the same layer with its weight in fp32."""
        layer: nn.Linear = _turned(self, nn.Linear, torch.float32)
        return layer


_HALVES: dict[type, type] = {nn.Embedding: HalfEmbedding, nn.Linear: HalfLinear}


def prepare(model: Any, options: QloraMethod) -> Any:
    """Return the model with its body in 4 bits and adapters added; only they and the head move.

    Raises:
        MissingPackageError: BN401, without the package of the extra `qlora`.
        HardwareError: BN404, the package can do nothing on this machine.
        ModelTaskError: BN304, no module has one of the names in `method.targets`, or the body has
            no linear layer, or GPT-2's kind of it.
    """
    prepared = lora.prepare(base(model), options)
    give_back_memory()
    return prepared


def base(model: Any) -> Any:
    """Return the model with the body's linear layers in 4 bits and the tables of words in bf16.

    Raises:
        MissingPackageError: BN401, without the package of the extra `qlora`.
        HardwareError: BN404, the package can do nothing on this machine.
        ModelTaskError: BN304, the layers hold their weights the other way round.
    """
    _check_library()
    for name in lora.linear_layers(model):
        layer = model.get_submodule(name)
        if isinstance(layer, Conv1D):
            raise ModelTaskError(
                f"{model.config.model_type!r} holds its weights as (in, out), which 4 bits do not",
                where="recipe key `method.kind`",
                fix="set `method: lora`, or use a model of another architecture",
            )
        if type(layer) is nn.Linear:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, FourBitLinear(layer))
            del layer
            give_back_memory()
    _halve_tables(model)
    return model


def _packed(weight: Tensor) -> dict[str, Tensor]:
    """Return the buffers of a layer for its weight in fp32 on the processor."""
    from bitsandbytes import functional as library

    packed, form = library.quantize_4bit(weight, blocksize=_BLOCK, quant_type=_FORM)
    # The library's own mean depends on the number of threads in its last bits, and some scales
    # with it; in fp64 it does not.
    mean = form.absmax.double().mean().float()
    scales, of_scales = library.quantize_blockwise(form.absmax - mean, blocksize=_SCALE_BLOCK)
    return {
        "packed": packed,
        "scales": scales,
        "mean_scale": mean,
        "scale_levels": of_scales.code,
        "scale_scales": of_scales.absmax,
    }


def _halve_tables(model: Any) -> None:
    """Hold tables of words in bf16, those that are shared as one; special kinds stay."""
    ends = (model.get_input_embeddings(), model.get_output_embeddings())
    for table in [end.weight for end in ends if type(end) in _HALVES]:
        holders = [part for part in model.modules() if part._parameters.get("weight") is table]
        if all(type(part) in _HALVES for part in holders):
            for part in holders:
                _turned(part, _HALVES[type(part)], torch.bfloat16)


def _turned(layer: Any, kind: type, dtype: torch.dtype) -> Any:
    """Return the layer itself as one of another kind, its weight in another precision."""
    layer.weight.data = layer.weight.data.to(dtype)
    layer.__class__ = kind
    return layer


def _check_library() -> None:
    """Refuse a machine on which weights cannot be held in 4 bits."""
    try:
        with lora.as_of_now():
            from bitsandbytes import functional as library
    except ImportError as err:
        raise MissingPackageError(
            f"holding weights in 4 bits needs the package {err.name}",
            where=_PLACE,
            fix="pip install 'burnish[qlora]', or set `method: lora`",
        ) from err
    for device in ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",):
        try:
            packed, form = library.quantize_4bit(torch.ones(64, 64), quant_type=_FORM)
            form.to(device)
            library.dequantize_4bit(packed.to(device), form)
        # What the library raises where it has no code for a device differs by version.
        except Exception as err:
            raise HardwareError(
                f"bitsandbytes cannot hold weights in 4 bits on {device}: "
                f"{type(err).__name__}: {(str(err).splitlines() or [''])[0]}",
                where=_PLACE,
                fix="set `method: lora`, or install a build of bitsandbytes for this machine",
            ) from err


METHOD = TrainingMethod(prepare, lora.merge, base)
