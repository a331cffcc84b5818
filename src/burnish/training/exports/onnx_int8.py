"""A classifier for ONNX Runtime with weights of 8 bits: a fraction of the time and the memory.

The matrices are rounded, one scale a column; activations are rounded as they come, one scale a
product. Sums are exact integers, so answers repeat. The vocabulary's vectors stay in fp32.
"""

from pathlib import Path
from typing import Any

from burnish.errors import ModelTaskError
from burnish.training.averaging import averages
from burnish.training.exports import Export
from burnish.training.exports import onnx as plain
from burnish.training.exports.onnx_graph import round_weights
from burnish.training.graphs import INT8_BOUNDS, MODEL_FILE
from burnish.training.modelfolder import Answerer

_LAYER = "/layer."  # in the names of operations of all layers but the top one


def write(answerer: Answerer, meta: dict[str, Any], folder: Path) -> None:
    """Write the graph with rounded weights, and what a reader needs beside it.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        StorageError: BN402, no space or no permission.
        ModelTaskError: BN304, not a classifier.
    """
    if answerer.task.family != "sequence-classification":
        raise ModelTaskError(
            f"a model of the family {answerer.task.family} is not written in int8",
            where="option --format onnx-int8",
            fix="export a classifier; for a causal model use `--format gguf-q8_0`",
        )
    plain.write(answerer, meta, folder)
    averaged = averages(answerer.model)
    round_weights(folder / MODEL_FILE, spares=lambda name: averaged and not _is_below(name))


def _is_below(name: str) -> bool:
    """Whether an operation belongs to a layer below the top, which is an averaging one.

    That hands on what the layers below it found: rounding it would round the answer.
    """
    return _LAYER in name


EXPORT = Export(write, plain.open_written, INT8_BOUNDS)
