"""Dropout that costs little on a processor.

PyTorch draws one random number for each activation on one core, which took a tenth of a
training step in fp32 and far more of one in bf16. Here sixteen random bits decide for each
activation, four decisions a drawn word, and one kernel applies them. The share dropped is
exact to 1/65536.

Masks are a pure function of the seed given to `Noise.restart`, so a resumed run draws the same.
"""

import numpy as np
import torch
from torch import Tensor, nn

_LEVELS = 1 << 16
_LOWEST = -(1 << 15)  # of a 16-bit integer
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # bytes → type


class Noise:
    """A stream of dropout masks, shared by all layers of a model."""

    def __init__(self) -> None:
        self._bits = np.random.SFC64(0)

    def restart(self, seed: int) -> None:
        """Begin the stream that belongs to a seed."""
        self._bits = np.random.SFC64(seed)

    def mask(self, shape: torch.Size, share: float, *, dtype: torch.dtype) -> Tensor:
        """Return factors for activations: 0 where dropped, else what makes up for the loss.

        Args:
            shape: of the activations.
            share: of them to drop, in (0, 1).
            dtype: of the activations.
        """
        # Integers of the activations' width have fast kernels; booleans have none.
        bits = torch.tensor(amends(share), dtype=dtype).view(INTEGERS[dtype.itemsize])
        return self.drops(shape, share, like=bits.dtype).sub_(1).bitwise_and_(bits).view(dtype)

    def drops(self, shape: torch.Size, share: float, *, like: torch.dtype) -> Tensor:
        """Return which activations go, as 1, and 0 for those that stay, of an integer type."""
        count = shape.numel()
        words = self._bits.random_raw(-(-count // 4))
        levels = torch.from_numpy(np.asarray(words).view(np.int16))[:count]
        gone = torch.empty(count, dtype=like)
        return torch.lt(levels, _dropped(share) + _LOWEST, out=gone).view(shape)


def amends(share: float) -> float:
    """Return the factor on what stays that makes up for the share that is dropped."""
    return _LEVELS / (_LEVELS - _dropped(share))


def _dropped(share: float) -> int:
    """Return how many of all levels are dropped."""
    return min(max(1, round(share * _LEVELS)), _LEVELS - 1)


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
