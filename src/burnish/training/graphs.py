"""Graphs of ONNX Runtime, opened without the library that wrote them.

The only module that opens them; `training.exports.onnx_graph` writes what is read here.
"""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from burnish.errors import MissingPackageError
from burnish.evaluation.parity import Bounds
from burnish.tasks.encoded import Encoded
from burnish.training.guard import damaged

MODEL_FILE = "model.onnx"  # of a classifier
ENCODER_FILE, DECODER_FILE = "encoder.onnx", "decoder.onnx"  # of an encoder-decoder
INPUTS = ("input_ids", "attention_mask")  # of a classifier
PRECISION = "precision"  # metadata of a graph that is not in fp32

# Adding and normalising in one operation takes four times as long as one after the other.
_SLOWER = ["SkipLayerNormFusion"]

# A probability near a half may move far; what counts is how many answers are others.
INT8_BOUNDS = Bounds(difference=0.5, equal=0.995)


@dataclass(frozen=True, slots=True)
class ClassifierGraph:
    """A graph of a classifier that is loaded.

    Each text is computed alone, on one thread: nothing is padded, no text's answer depends on its
    company (in int8 the texts of a pass share a scale), and cores work on texts of their own.
    """

    session: Any
    precision: str  # of its matrix products: fp32 or int8

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what `write` left in a folder.

        Raises:
            MissingPackageError: BN401, without the packages of the extra `export`.
            ModelFormatError: BN303, a file cannot be read.
        """
        session = open_graph(folder / MODEL_FILE, threads=1)
        return cls(session, precision_of(session))

    def logits(self, tokens: NDArray[np.int32]) -> NDArray[np.float32]:
        """Return the logits of one text, shape (classes,); from any number of threads at once."""
        ids = tokens[None].astype(np.int64)
        feed = dict(zip(INPUTS, (ids, np.ones_like(ids)), strict=True))
        found: NDArray[np.float32] = self.session.run(["logits"], feed)[0][0]
        return found

    def outputs(self, rows: Encoded) -> NDArray[np.float32]:
        """Return the logits of every row, in order, shape (n, classes)."""
        return np.stack([self.logits(rows.inputs.row(at)) for at in range(len(rows))])


def open_graph(path: Path, *, threads: int | None = None) -> Any:
    """Return a session of ONNX Runtime on the processor, on so many threads; None: one a core.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        ModelFormatError: BN303, the file is missing or damaged.
    """
    runtime = package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or 0
    try:
        return runtime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOWER
        )
    except Exception as err:  # (its errors share no class)
        raise damaged(path, err) from err


def precision_of(session: Any) -> str:
    """Return in what the matrix products of a graph are computed: fp32 or int8."""
    kept: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return kept.get(PRECISION, "fp32")


def package(name: str) -> Any:
    """Return a package of ONNX. Raises MissingPackageError (BN401) without extra `export`."""
    try:
        return import_module(name)
    except ImportError as err:
        raise MissingPackageError(
            f"models in the form of ONNX need the package {err.name}",
            where="ONNX Runtime",
            fix="pip install 'burnish[export]'",
        ) from err
