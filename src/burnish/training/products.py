"""Small matrix products in fp32, of shapes that hardly ever come again.

With a run's "medium" precision PyTorch hands products in fp32 to oneDNN, which prepares a program
for each shape, keeps a thousand of them, and is about twice as fast where they are large. Attention
within rows has shapes of each row's length: there preparing costs more than it gains, in time and
in memory (75 MB of a server's).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import torch

_lock = Lock()
_inside = 0
_outside = "highest"


@contextmanager
def unprepared() -> Iterator[None]:
    """Leave products in fp32 to the BLAS library inside the block.

    The setting is the process's. Where several threads compute, the last to leave puts it back;
    products of the others may differ meanwhile as sums in another order do.
    """
    global _inside, _outside  # noqa: PLW0603  (PyTorch's own setting is global)
    with _lock:
        if not _inside:
            _outside = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("highest")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                torch.set_float32_matmul_precision(_outside)
