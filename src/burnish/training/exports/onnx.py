"""A classifier for ONNX Runtime: `model.onnx` beside tokenizer, config.json and burnish.json.

Inputs `input_ids` and `attention_mask`, int64 of shape (rows, tokens); output `logits`, fp32
of shape (rows, classes). The only module that imports onnxruntime.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.errors import MissingPackageError
from burnish.runfolder import storage_errors
from burnish.tasks import batch as batches
from burnish.tasks.base import Encoded
from burnish.training.batching import micro_batches
from burnish.training.exports import Export, Logits
from burnish.training.exports.merged import without_adapters
from burnish.training.guard import read_config
from burnish.training.modelfolder import Answerer, save_facts

MODEL_FILE = "model.onnx"
_INPUTS = ("input_ids", "attention_mask")
_TOKENS_A_PASS = 1024


class _Classifier(nn.Module):
    """The two tensors in, the logits out: what the graph holds."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def write(answerer: Answerer, meta: dict[str, Any], folder: Path) -> None:
    """Write the graph in fp32, and what a reader needs beside it.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        StorageError: BN402, no space or no permission.
    """
    _onnxruntime()
    model = deepcopy(without_adapters(answerer.model)).float().cpu().eval()
    # Attention in plain operations: the fused kernel has no counterpart in ONNX.
    model.set_attn_implementation("eager")
    # Two rows of different length, so that neither axis is taken for a constant.
    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    with storage_errors(folder), _without_advice():
        torch.onnx.export(
            _Classifier(model),
            (ids, mask),
            folder / MODEL_FILE,
            input_names=list(_INPUTS),
            output_names=["logits"],
            dynamic_axes={name: {0: "rows", 1: "tokens"} for name in _INPUTS}
            | {"logits": {0: "rows"}},
            dynamo=False,
        )
        model.config.save_pretrained(folder)
    save_facts(folder, model, answerer.tokenizer, answerer.task, meta=meta, form="onnx")


def open_written(folder: Path) -> Logits:
    """Return the outputs of ONNX Runtime on the processor, rows padded to their longest."""
    session = _onnxruntime().InferenceSession(
        folder / MODEL_FILE, providers=["CPUExecutionProvider"]
    )
    pad_id = read_config(folder / "config.json").get("pad_token_id") or 0

    def outputs(rows: Encoded) -> NDArray[np.float32]:
        found: dict[int, NDArray[np.float32]] = {}
        order = range(len(rows))
        for part in micro_batches(rows.lengths, order, budget=_TOKENS_A_PASS, packed=False):
            batch = batches.padded(rows, part, pad_id=pad_id)
            feed = {name: batch[name].numpy() for name in _INPUTS}
            found |= dict(zip(part, session.run(["logits"], feed)[0], strict=True))
        return np.stack([found[row] for row in order])

    return outputs


def _onnxruntime() -> Any:
    try:
        import onnx  # noqa: F401  (torch.onnx writes the file with it)
        import onnxruntime
    except ImportError as err:
        raise MissingPackageError(
            f"writing ONNX needs the package {err.name}",
            where="burnish export --format onnx",
            fix="pip install 'burnish[export]'",
        ) from err
    return onnxruntime


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep quiet that torch has a newer exporter, and that shapes of traced code are fixed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


EXPORT = Export(write, open_written)
