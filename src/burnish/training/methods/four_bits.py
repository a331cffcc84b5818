"""Frozen weights in 4 bits, in bitsandbytes' form: nf4, with scales that are held in 8 bits.

The only module that imports bitsandbytes. A block of 64 weights has a scale, and a weight is one
of 16 values of a normal distribution. The library's own layer is not used: it changes to bf16
for answers on some processors (`docs/decisions/0007`).

Source: Dettmers et al. 2023, "QLoRA: Efficient Finetuning of Quantized LLMs", sections 2 and 3.
"""

import torch
from torch import Tensor

from burnish.errors import HardwareError, MissingPackageError
from burnish.training.methods.lora import as_of_now
from burnish.training.methods.packed import PackedLinear

_FORM = "nf4"
_BLOCK = 64  # weights a scale
_SCALE_BLOCK = 256  # scales a scale of theirs
_INSTEAD = "train with `method: {kind: qlora, bits: 8}`, or `method: lora`"


class FourBitLinear(PackedLinear):
    """A frozen linear layer whose weight is held in 4 bits."""

    bits = 4

    packed: Tensor  # two weights a byte
    scales: Tensor  # one a block, in 8 bits, less their mean
    mean_scale: Tensor
    scale_levels: Tensor  # what the 8 bits stand for, shape (256,)
    scale_scales: Tensor

    @staticmethod
    def pack(weight: Tensor) -> dict[str, Tensor]:
        """Return the buffers to keep of a weight in fp32 on the processor, shape (out, in)."""
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

    @classmethod
    def check_machine(cls, *, where: str) -> None:
        """Raise where weights cannot be held in 4 bits.

        Raises:
            MissingPackageError: BN401, without the package of the extra `qlora`.
            HardwareError: BN404, the package can do nothing on this machine.
        """
        try:
            with as_of_now():
                from bitsandbytes import functional as library
        except ImportError as err:
            raise MissingPackageError(
                f"holding weights in 4 bits needs the package {err.name}",
                where=where,
                fix=f"pip install 'burnish[qlora]', or {_INSTEAD}",
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
                    where=where,
                    fix=f"{_INSTEAD}, or install a build of bitsandbytes for this machine",
                ) from err
