"""Exports: a model in another form, which can be opened again to prove that it answers the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burnish.evaluation.parity import Bounds
from burnish.records import Prediction
from burnish.registry import Registry
from burnish.tasks.encoded import Encoded
from burnish.training.modelfolder import Answerer

Answers = Callable[[Encoded], list[Prediction]]


@dataclass(frozen=True, slots=True)
class Export:
    """One form.

    `write(answerer, meta, folder)` fills an empty folder; `meta` is what the model folder and
    its card tell. `open(folder)` returns a function from encoded rows to the answers that what
    was written gives. `bounds` is what the form's own rounding of the weights allows.
    """

    write: Callable[[Answerer, dict[str, Any], Path], None]
    open: Callable[[Path], Answers]
    bounds: Bounds = field(default_factory=Bounds)


EXPORTS: Registry[Export] = Registry(
    "export",
    {
        "gguf": "burnish.training.exports.gguf:F16",
        "gguf-q8_0": "burnish.training.exports.gguf:Q8_0",
        "merged": "burnish.training.exports.merged:EXPORT",
        "onnx": "burnish.training.exports.onnx:EXPORT",
        "onnx-int8": "burnish.training.exports.onnx_int8:EXPORT",
    },
    where="option --format",
)
