"""A model for ONNX Runtime, beside tokenizer, config.json and burnish.json.

A classifier is one graph, `model.onnx`: inputs `input_ids` and `attention_mask`, int64 of shape
(rows, tokens); output `logits`, fp32 of shape (rows, classes). An encoder-decoder is two, see
`training.exports.onnx_pair`.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from burnish.errors import ModelTaskError
from burnish.files import storage_errors
from burnish.records import Prediction
from burnish.tasks.encoded import Encoded
from burnish.training.exports import Answers, Export
from burnish.training.exports.onnx_graph import save_graph, traceable
from burnish.training.facts import read_task
from burnish.training.graphs import DECODER_FILE, INPUTS, MODEL_FILE, ClassifierGraph, package
from burnish.training.modelfolder import Answerer, save_facts
from burnish.training.packing import without_last
from burnish.training.processor import cores

_INSTEAD = {
    "causal-lm": "`--format gguf`, or `--format merged`",
    "masked-lm": "`--format merged`",
}


class _Classifier(nn.Module):
    """The two tensors in, the logits out: what the graph holds.

    Of the top layer only the first tokens are computed, where the head reads no others.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self._top = without_last(model)
        self.top_layer = self._top.layer if self._top else None  # so that its weights are known

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        if self._top is None:
            logits: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
            return logits
        body = self.model.base_model
        states = body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return self._top.to_logits(states, attention_mask)


def write(answerer: Answerer, meta: dict[str, Any], folder: Path) -> None:
    """Write the graphs in fp32, and what a reader needs beside them.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        StorageError: BN402, no space or no permission.
        ModelTaskError: BN304, a causal model, or one that foretells hidden words.
    """
    package("onnxruntime")
    if answerer.task.family in _INSTEAD:
        raise ModelTaskError(
            f"a model of the family {answerer.task.family} is not written as ONNX",
            where="option --format",
            fix=f"use {_INSTEAD[answerer.task.family]}",
        )
    model = traceable(answerer.model)
    if answerer.task.writing:
        from burnish.training.exports.onnx_pair import write_graphs  # imports transformers' models

        write_graphs(model, folder)
    else:
        _write_classifier(model, folder)
    with storage_errors(folder):
        model.config.save_pretrained(folder)
    save_facts(folder, model, answerer.tokenizer, answerer.task, meta=meta, form="onnx")


def _write_classifier(model: Any, folder: Path) -> None:
    # Two rows of different length, so that neither axis is taken for a constant.
    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    save_graph(
        _Classifier(model),
        dict(zip(INPUTS, (ids, mask), strict=True)),
        folder / MODEL_FILE,
        outputs=["logits"],
        free={name: {0: "rows", 1: "tokens"} for name in INPUTS} | {"logits": {0: "rows"}},
    )


def open_written(folder: Path) -> Answers:
    """Return the answers of ONNX Runtime on the processor."""
    if (folder / DECODER_FILE).is_file():
        from burnish.training.exports.onnx_pair import open_pair  # imports transformers' models

        return open_pair(folder)
    graph, task = ClassifierGraph.open(folder), read_task(folder)

    def answers(rows: Encoded) -> list[Prediction]:
        with ThreadPoolExecutor(cores()) as pool:
            found = pool.map(graph.logits, map(rows.inputs.row, range(len(rows))))
            return task.decode(np.stack(list(found)), rows)

    return answers


EXPORT = Export(write, open_written)
