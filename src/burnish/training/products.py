"""Matrix products that PyTorch by itself makes in a costly way.

With a run's "medium" precision PyTorch hands products in fp32 to oneDNN, which prepares a program
for each shape, keeps a thousand of them, and is about twice as fast where they are large. Attention
within rows has shapes of each row's length: there preparing costs more than it gains, in time and
in memory (75 MB of a server's), so it is left out (`unprepared`).

What comes after a prompt is foretold from the states of its last token, which are a slice of all
states. Of a slice PyTorch makes one product a row, with a table of words written out for each:
11 GB for 97 prompts to a model of 135M weights. So they are copied first (`whole_states`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch
from torch import Tensor

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


@contextmanager
def whole_states(base: Any) -> Iterator[None]:
    """Hand the states that words are foretold from to a decoder's last layer in one piece.

    An encoder-decoder begins its answers with one token a row, whose states are in one.
    """
    if base.config.is_encoder_decoder:
        yield
        return

    def in_one_piece(_: Any, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (given[0].contiguous(), *given[1:])

    hook = base.get_output_embeddings().register_forward_pre_hook(in_one_piece)
    try:
        yield
    finally:
        hook.remove()
