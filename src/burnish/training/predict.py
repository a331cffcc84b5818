"""Answers of a model for whole splits: sorted by length, packed where possible, in input order.

The same code answers during training, in the final evaluation and for new texts, so what was
judged is what is used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from burnish.records import Prediction
from burnish.tasks import batch as batches
from burnish.tasks.base import Batch, Task
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.writing import WritingTask
from burnish.training import forward, packing
from burnish.training.answering_attention import answering_attention
from burnish.training.batching import micro_batches
from burnish.training.generate import write
from burnish.training.hardware import Hardware, applied
from burnish.training.models import load_body
from burnish.training.packing import padding_id
from burnish.training.segments import Segments
from burnish.training.sources import ModelSource


def predictions(
    model: Any,
    encoded: Encoded,
    task: Task,
    hardware: Hardware,
    tokenizer: Any,
    *,
    outputs: NDArray[np.float32] | None = None,
) -> list[Prediction]:
    """Return the model's answer to every row, in input order.

    Args:
        model: PEFT-wrapped or not; its mode is as before afterwards.
        encoded: n rows.
        task: puts rows into batches and makes answers of outputs.
        hardware: tells tokens a pass, precision, device.
        tokenizer: the model's own; makes texts of what is written.
        outputs: the raw outputs, where they are known already.
    """
    if outputs is None:
        outputs = raw_outputs(model, encoded, task, hardware)
    if not isinstance(task, WritingTask):
        return task.decode(outputs, encoded)
    with answering(model, hardware):
        texts = write(model, encoded, task, hardware, tokenizer)
    return task.decode(outputs, encoded, texts)


def raw_outputs(
    model: Any, encoded: Encoded, task: Task, hardware: Hardware, *, packed: bool | None = None
) -> NDArray[np.float32]:
    """Return raw outputs for every row, in input order, shape (n, width of the task).

    Args:
        model: PEFT-wrapped or not; its mode is as before afterwards.
        encoded: n rows.
        task: puts rows into batches.
        hardware: tells tokens a pass, precision, device.
        packed: join rows without padding; None: where the architecture allows it.
    """
    if packed is None:
        packed = forward.packs(model, task, "auto", device=hardware.device)
    pad_id = padding_id(model)
    out = np.zeros((len(encoded), task.width), np.float32)
    with answering(model, hardware):
        for rows in _passes(encoded, hardware, packed=packed):
            batch = task.collate(encoded, rows, packed=packed, pad_id=pad_id)
            found = forward.outputs(model, to_device(batch, hardware.device), task)
            out[rows] = found.float().cpu().numpy()
    return out


def embeddings(source: ModelSource | Any, encoded: Encoded, hardware: Hardware) -> NDArray[Any]:
    """Return the mean of the last hidden states of each row, shape (n, hidden), float32.

    Args:
        source: a model without a head, or where to load one from.
        encoded: n rows.
        hardware: tells tokens a pass, precision, device.
    """
    model = load_body(source) if isinstance(source, ModelSource) else source
    packed = packing.anatomy(model) is not None and hardware.device == "cpu"
    pad_id = padding_id(model)
    out = np.zeros((len(encoded), model.config.hidden_size), np.float32)
    with answering(model, hardware):
        for rows in _passes(encoded, hardware, packed=packed):
            form = batches.packed if packed else batches.padded
            pieces = [encoded.inputs.row(row) for row in rows]
            batch = to_device(form(pieces, pad_id=pad_id), hardware.device)
            means = _packed_means if packed else _padded_means
            out[rows] = means(model, batch).float().cpu().numpy()
    return out


def unit_vectors(model: Any, inputs: Ragged, hardware: Hardware) -> NDArray[np.float64]:
    """Return what `embeddings` does, each row of length 1; a row of zeros stays so.

    Args:
        model: without a head.
        inputs: n rows of tokens.
        hardware: tells tokens a pass, precision, device.
    """
    vectors = embeddings(model, _unasked(inputs), hardware).astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return vectors


def _unasked(inputs: Ragged) -> Encoded:
    """Return rows of which nothing is to be answered, under no ids."""
    rows = len(inputs.lengths)
    return Encoded(
        ids=("",) * rows,
        inputs=inputs,
        targets=np.zeros((rows, 0), np.float32),
        references=(None,) * rows,
        rows_cut=0,
        tokens_lost=0,
    )


def _packed_means(model: Any, batch: Batch) -> torch.Tensor:
    segments = Segments.of(batch["lengths"], batch["input_ids"].shape[1])
    states = packing.packed_states(model, batch, segments)
    lengths = batch["lengths"].tolist()
    of_rows = torch.split(states[: sum(lengths)], lengths)
    return torch.stack([part.mean(dim=0) for part in of_rows])


def _padded_means(model: Any, batch: Batch) -> torch.Tensor:
    mask = batch["attention_mask"]
    states = model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
    summed: torch.Tensor = (states * mask[..., None]).sum(dim=1)
    return summed / mask.sum(dim=1, keepdim=True)


def to_device(batch: Batch, device: str) -> Batch:
    """Return the batch on the device; what tells its division stays on the processor."""
    if device == "cpu":
        return batch
    kept = {"lengths", "prefix", "rows", "kinds"}
    return {
        name: value if name in kept else value.to(device, non_blocking=True)
        for name, value in batch.items()
    }


def _passes(encoded: Encoded, hardware: Hardware, *, packed: bool) -> Sequence[list[int]]:
    return micro_batches(
        encoded.lengths,
        range(len(encoded)),
        budget=hardware.tokens_per_batch,
        packed=packed,
    )


@contextmanager
def answering(model: Any, hardware: Hardware) -> Iterator[None]:
    """Run the block without gradients or dropout; training goes on as before after it."""
    training = [part for part in model.modules() if part.training]
    # Going through all weights takes as long as a tenth of a short text, so not where all is well.
    if training or any(one.device.type != hardware.device for one in islice(model.parameters(), 1)):
        model.to(hardware.device).eval()
    try:
        with (
            applied(hardware),
            torch.inference_mode(),
            hardware.autocast(),
            answering_attention(model),
        ):
            yield
    finally:
        for part in training:
            part.training = True
