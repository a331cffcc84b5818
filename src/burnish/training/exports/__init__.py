"""Exports: a model in another form, which can be opened again to prove that it answers the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.registry import Registry
from burnish.tasks.base import Encoded
from burnish.training.modelfolder import Answerer

Logits = Callable[[Encoded], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Export:
    """One form.

    `write(answerer, meta, folder)` fills an empty folder; `meta` is what the model folder and
    its card tell. `open(folder)` returns a function from n encoded rows to their raw outputs,
    shape (n, classes), computed by what was written.
    """

    write: Callable[[Answerer, dict[str, Any], Path], None]
    open: Callable[[Path], Logits]


EXPORTS: Registry[Export] = Registry(
    "export",
    {
        "merged": "burnish.training.exports.merged:EXPORT",
        "onnx": "burnish.training.exports.onnx:EXPORT",
    },
    where="option --format",
)
