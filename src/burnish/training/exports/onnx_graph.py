"""From a PyTorch module to an ONNX file, and from the file to a session of ONNX Runtime.

The only module that imports onnxruntime. What is written is fp32 with the operations of opset 18.
"""

import warnings
from collections.abc import Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import MissingPackageError
from burnish.files import storage_errors
from burnish.training.exports.merged import without_adapters

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
    onnxruntime()
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


def open_graph(path: Path) -> Any:
    """Return a session of ONNX Runtime on the processor."""
    return onnxruntime().InferenceSession(path, providers=["CPUExecutionProvider"])


def onnxruntime() -> Any:
    """Return the package. Raises MissingPackageError (BN401) without the extra `export`."""
    try:
        import onnx  # noqa: F401  (torch.onnx writes the file with it)
        import onnxruntime as found
    except ImportError as err:
        raise MissingPackageError(
            f"writing ONNX needs the package {err.name}",
            where="burnish export --format onnx",
            fix="pip install 'burnish[export]'",
        ) from err
    return found
