"""Frozen weights in 8 bits: whole numbers to ±127, scaled by the largest weight of their row.

What is kept is what bitsandbytes keeps of a weight: int8 and the largest size of each output row
in fp32. The library's functions for it are not called: they leave rows of zeros to chance, are
for fp16 alone on a GPU, and write a weight out at a third of the speed. So 8 bits need no package.

LLM.int8 also rounds the inputs to 8 bits, all but the columns with large ones, and multiplies
whole numbers. Here the weight is written out and inputs stay as they are: nothing is gained in
speed, and gradients and answers are those of the weights that are held.

Source: Dettmers et al. 2022, "LLM.int8(): 8-bit Matrix Multiplication for Transformers at
Scale", section 2 (absmax) and 3.1 (vector-wise); 3.2 is what is left out.
"""

import torch
from torch import Tensor

from burnish.training.methods.packed import PackedLinear

_MOST = 127  # of a whole number in 8 bits; -128 is not used
_BLOCK = 2**20  # weights that are in fp32 for a moment while they are written out in bf16


class EightBitLinear(PackedLinear):
    """A frozen linear layer whose weight is held in 8 bits."""

    bits = 8

    packed: Tensor  # int8, shape (out, in)
    scales: Tensor  # the largest size in each row, shape (out,)

    @staticmethod
    def pack(weight: Tensor) -> dict[str, Tensor]:
        """Return the buffers to keep of a weight in fp32 on the processor, shape (out, in)."""
        largest = weight.abs().amax(dim=1)
        # A row of zeros would be divided by zero.
        steps = (largest / _MOST).clamp_min(torch.finfo(torch.float32).tiny)
        return {"packed": (weight / steps[:, None]).round_().to(torch.int8), "scales": largest}

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Return the weight, shape (out, in), made anew; rounded once, from the exact product."""
        steps = self.scales.float()[:, None] / _MOST
        if dtype == torch.float32:
            return self.packed.to(dtype).mul_(steps)
        whole = torch.empty(self.packed.shape, dtype=dtype, device=self.packed.device)
        rows = max(1, _BLOCK // self.in_features)
        parts = (torch.split(one, rows) for one in (whole, self.packed, steps))
        for out, packed, step in zip(*parts, strict=True):
            out.copy_(packed.float().mul_(step))
        return whole
