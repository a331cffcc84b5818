"""The engine that answers with an exported classifier, through ONNX Runtime on the processor.

Reads texts and decodes scores as the torch engine does; the graph between them is in fp32, or
in int8, which rounds the weights and takes a fraction of the time.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from burnish.errors import ModelTaskError
from burnish.serving.engine import Answered, Read, rehearse
from burnish.serving.reading import InputReader, Named, facts_of
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.training.facts import read_task
from burnish.training.graphs import INT8_BOUNDS, MODEL_FILE, ClassifierGraph
from burnish.training.processor import cores
from burnish.training.tokenizers import open_saved_tokenizer

_BATCH_TOKENS = 256  # texts are computed one by one: this saves them changes of threads


class OnnxEngine:
    """A graph with its task and tokenizer as an engine."""

    def __init__(self, graph: ClassifierGraph, task: Task, tokenizer: Any, named: Named) -> None:
        self._graph, self._task = graph, task
        self.facts = facts_of(
            named, task, tokenizer, precision=graph.precision, device="cpu", vectors=False
        )
        self.batch_tokens, self.workers = _BATCH_TOKENS, cores()
        self.rounding = INT8_BOUNDS if graph.precision == "int8" else None
        self._reader = InputReader(self.facts, task, tokenizer, room=None)

    @classmethod
    def open(cls, folder: Path, named: Named) -> Self:
        """Open the folder of an export.

        Raises:
            ModelTaskError: BN304, the graphs are those of an encoder-decoder.
            ModelFormatError: BN303, a file is missing or damaged.
        """
        if not (folder / MODEL_FILE).is_file():
            raise ModelTaskError(
                "the graphs of an encoder-decoder are not served",
                where=str(folder),
                fix="name the run folder, or its folder `model`",
            )
        graph = ClassifierGraph.open(folder)
        return cls(graph, read_task(folder), open_saved_tokenizer(folder), named)

    def read(self, asked: Sequence[Any]) -> list[Read]:
        """Return requests as tokens; raises what `InputReader.read` does."""
        return self._reader.read(asked)

    def answer(self, reads: Sequence[Read]) -> list[Any]:
        """Return an answer to each request, in order."""
        encoded = Encoded.joined([read.rows for read in reads])
        found = self._task.decode(self._graph.outputs(encoded), encoded)
        return [Answered.to(read, one) for read, one in zip(reads, found, strict=True)]

    def warm(self) -> None:
        """Answer something, so that the first request finds everything prepared."""
        rehearse(self)

    def close(self) -> None:
        """Do nothing: what it holds goes with it."""
