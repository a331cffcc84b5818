"""Memory of this process: the most it has held, and giving back what it no longer needs."""

import ctypes
import resource
import sys

import torch


def peak_memory_mb(device: str) -> float:
    """Return the most memory this process has held, in MB; of the GPU where that is used."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held * (1 if sys.platform == "darwin" else 1024) / 1e6


def give_back_memory() -> None:
    """Have freed memory returned to the system where the C library keeps it, as glibc does.

    It kept up to 1 GB while a model of 0.5 GB was packed into 4 bits.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
