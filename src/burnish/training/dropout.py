"""Dropout that costs little on a processor.

PyTorch draws one random number for each activation on one core, which took a tenth of a
training step in fp32 and far more of one in bf16. Here sixteen random bits decide for each
activation, four decisions a drawn word, and one kernel applies them. The share dropped is
exact to 1/65536.

The bits come from many streams side by side, each a multiplicative congruential generator: a few
operations on all of them at once, which all cores share, where one stream is drawn word by word.
Their upper halves are mixed into the lower ones, which alone would repeat too soon. Source of the
multiplier: Steele and Vigna 2021, "Computationally easy, spectrally good multipliers for
congruential pseudorandom number generators", table of 64 bits.

Masks are a pure function of the seed given to `Noise.restart`, so a resumed run draws the same.
"""

import numpy as np
import torch
from torch import Tensor, nn

_LEVELS = 1 << 16
_LOWEST = -(1 << 15)  # of a 16-bit integer
_STREAMS = 1 << 16  # words drawn at once, half a megabyte
_MULTIPLIER = 0xF1357AEA2E62A9C5 - (1 << 64)  # as a signed number
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # bytes → type


class Noise:
    """A stream of dropout masks, shared by all layers of a model."""

    def __init__(self) -> None:
        self._words = torch.empty(_STREAMS, dtype=torch.int64)
        self.restart(0)

    def restart(self, seed: int) -> None:
        """Begin the stream that belongs to a seed."""
        states = np.asarray(np.random.SFC64(seed).random_raw(_STREAMS)).view(np.int64)
        self._states = torch.from_numpy(states).bitwise_or_(1)  # only odd ones go through all
        self._left = self._words.view(torch.int16)[:0]

    def mask(self, shape: torch.Size, share: float, *, dtype: torch.dtype) -> Tensor:
        """Return factors for activations: 0 where dropped, else what makes up for the loss.

        Args:
            shape: of the activations.
            share: of them to drop, in (0, 1).
            dtype: of the activations.
        """
        # Integers of the activations' width have fast kernels; booleans have none.
        bits = torch.tensor(amends(share), dtype=dtype).view(INTEGERS[dtype.itemsize])
        return self.keeps(shape, share, like=bits.dtype).bitwise_and_(bits).view(dtype)

    def keeps(self, shape: torch.Size, share: float, *, like: torch.dtype) -> Tensor:
        """Return the bits that stay, of an integer type: all, or none where an activation goes."""
        return self.drops(shape, share, like=like).sub_(1)

    def drops(self, shape: torch.Size, share: float, *, like: torch.dtype) -> Tensor:
        """Return which activations go, as 1, and 0 for those that stay, of an integer type."""
        count = shape.numel()
        gone, filled = torch.empty(count, dtype=like), 0
        while filled < count:
            levels = self._levels(count - filled)
            part = gone[filled : (filled := filled + len(levels))]
            torch.lt(levels, _dropped(share) + _LOWEST, out=part)
        return gone.view(shape)

    def _levels(self, most: int) -> Tensor:
        """Return at least one and at most so many random integers of 16 bits."""
        if not len(self._left):
            self._states.mul_(_MULTIPLIER)
            upper = torch.bitwise_right_shift(self._states, 32, out=self._words)
            upper.bitwise_and_(0xFFFFFFFF)  # without the copies of the sign
            self._left = upper.bitwise_xor_(self._states).view(torch.int16)
        drawn, self._left = self._left[:most], self._left[most:]
        return drawn


def amends(share: float) -> float:
    """Return the factor on what stays that makes up for the share that is dropped."""
    return _LEVELS / (_LEVELS - _dropped(share))


def _dropped(share: float) -> int:
    """Return how many of all levels are dropped."""
    return min(max(1, round(share * _LEVELS)), _LEVELS - 1)


def only(activations: Tensor, keeps: Tensor) -> Tensor:
    """Return activations with 0 where they go; what makes up for it is not applied.

    Args:
        activations: any shape.
        keeps: of the same shape, integers of the same width, as `Noise.keeps` returns them.
    """
    return activations.view(keeps.dtype).bitwise_and(keeps).view(activations.dtype)


class FastDropout(nn.Module):
    """Stands in for `nn.Dropout` on a processor; holds no weights, so a saved model is the same."""

    def __init__(self, p: float, noise: Noise) -> None:
        super().__init__()
        self.p = p
        self.noise = noise

    def forward(self, activations: Tensor) -> Tensor:
        """Drop a share of the activations in training; any shape."""
        if not self.training or not self.p:
            return activations
        return activations * self.noise.mask(activations.shape, self.p, dtype=activations.dtype)


def use_fast_dropout(model: nn.Module) -> Noise:
    """Replace every dropout layer of a model in place; return the stream they draw from."""
    noise = Noise()
    for part in list(model.modules()):
        for name, child in part.named_children():
            if type(child) is nn.Dropout:
                setattr(part, name, FastDropout(child.p, noise))
    return noise


def use_plain_dropout(model: nn.Module) -> None:
    """Put PyTorch's own dropout layers back."""
    for part in list(model.modules()):
        for name, child in part.named_children():
            if isinstance(child, FastDropout):
                setattr(part, name, nn.Dropout(child.p))
