"""Matrix products that PyTorch by itself makes in a costly way.

With a run's "medium" precision PyTorch hands products in fp32 to oneDNN, which prepares a program
for each shape, keeps a thousand of them, and is about twice as fast where they are large. Attention
within rows has shapes of each row's length: there preparing costs more than it gains, in time and
in memory (75 MB of a server's), so it is left out (`unprepared`).

What comes after a prompt is foretold from the states of its last token, which are a slice of all
states. Of a slice PyTorch makes one product a row, with a table of words written out for each:
11 GB for 97 prompts to a model of 135M weights. So they are taken by an index, which copies them
into one piece (`LAST`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch

# For a number transformers takes a slice. A tensor `generate` would repeat for each beam.
LAST = [-1]  # value of `logits_to_keep`

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


def of_last_token(base: Any) -> dict[str, Any]:
    """Return the argument for `generate` by which a model foretells from its last tokens alone."""
    return {"logits_to_keep": LAST} if base._supports_logits_to_keep() else {}
