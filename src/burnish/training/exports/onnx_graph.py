"""From a PyTorch module to an ONNX file, in fp32 with the operations of opset 18, or rounded.

`training.graphs` opens what is written here.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from burnish.files import storage_errors
from burnish.training.exports.merged import without_adapters
from burnish.training.graphs import PRECISION, package
from burnish.training.processor import sums_bytes

_OPSET = 18


def traceable(model: Any) -> Any:
    """Return a copy that can be written as a graph: adapters added in, fp32, on the processor."""
    copy = deepcopy(without_adapters(model)).float().cpu().eval()
    # Attention in plain operations: the fused kernel has no counterpart in ONNX.
    copy.set_attn_implementation("eager")
    return copy


def save_graph(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    *,
    outputs: Sequence[str],
    free: Mapping[str, Mapping[int, str]],
) -> None:
    """Write what a module computes from example inputs.

    Args:
        module: takes the inputs in their order.
        inputs: by name. A free axis must be longer than 1, or it would be taken for a constant.
        path: the file.
        outputs: their names.
        free: axes that may have any length, by the name of an input or output.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        StorageError: BN402, no space or no permission.
    """
    package("onnx")  # torch.onnx writes the file with it
    with storage_errors(path), warnings.catch_warnings(), torch.no_grad():
        # Advice: there is a newer exporter, and branches of traced code are fixed.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            path,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in free.items()},
            opset_version=_OPSET,
            dynamo=False,
        )


def round_weights(path: Path, *, spares: Callable[[str], bool]) -> None:
    """Replace the graph in a file by one whose matrix products are of 8-bit integers.

    Only products with weights are; a head of few classes stays as it is. Where the processor has
    no instructions for such sums it adds pairs of products in 16 bits, which overflow with signed
    weights; there the weights are unsigned, and slower. A graph is for the kind of processor that
    wrote it: elsewhere its answers may differ, which whoever opens it has to prove.

    Args:
        path: of the graph.
        spares: whether the operation of a name stays as it is.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        StorageError: BN402, no space or no permission.
    """
    onnx, quantization = package("onnx"), package("onnxruntime.quantization")

    with storage_errors(path), TemporaryDirectory(dir=path.parent) as place, _no_advice():
        rounded = Path(place) / path.name
        names = [node.name for node in onnx.load(path).graph.node]
        weights = quantization.QuantType
        quantization.quantize_dynamic(
            path,
            rounded,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            nodes_to_exclude=[name for name in names if spares(name)],
            weight_type=weights.QInt8 if sums_bytes() else weights.QUInt8,
        )
        graph = onnx.load(rounded)
        onnx.helper.set_model_props(graph, {PRECISION: "int8"})
        onnx.save(graph, rounded)
        rounded.replace(path)


@contextmanager
def _no_advice() -> Iterator[None]:
    """Keep off the terminal that onnxruntime would like shapes inferred: it changes nothing."""

    def is_other(record: logging.LogRecord) -> bool:
        return record.module != "quantize"

    root = logging.getLogger()
    root.addFilter(is_other)
    try:
        yield
    finally:
        root.removeFilter(is_other)
