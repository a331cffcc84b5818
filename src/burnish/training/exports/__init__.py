"""Exports: a model in another form, which can be opened again to prove that it answers the same."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.records import Prediction
from burnish.registry import Registry
from burnish.tasks.base import Encoded
from burnish.training.modelfolder import Answerer

Answers = Callable[[Encoded], list[Prediction]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far the answers of an export may be from those that were judged."""

    difference: float = 0.0  # of a probability, or of a log-likelihood in nats a token
    equal: float = 1.0  # least share of equal answers, in [0, 1]

    def widened(self, other: "Bounds") -> "Bounds":
        """Return bounds that hold wherever these or the others do."""
        return Bounds(max(self.difference, other.difference), min(self.equal, other.equal))


@dataclass(frozen=True, slots=True)
class Export:
    """One form.

    `write(answerer, meta, folder)` fills an empty folder; `meta` is what the model folder and
    its card tell. `open(folder)` returns a function from encoded rows to the answers that what
    was written gives. `bounds` is what the form's own rounding of the weights allows.
    """

    write: Callable[[Answerer, dict[str, Any], Path], None]
    open: Callable[[Path], Answers]
    bounds: Bounds = Bounds()


EXPORTS: Registry[Export] = Registry(
    "export",
    {
        "gguf": "burnish.training.exports.gguf:F16",
        "gguf-q8_0": "burnish.training.exports.gguf:Q8_0",
        "merged": "burnish.training.exports.merged:EXPORT",
        "onnx": "burnish.training.exports.onnx:EXPORT",
    },
    where="option --format",
)
