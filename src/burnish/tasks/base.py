"""The task interface, and the table of tasks.

A task owns everything that differs between kinds of work: how rows become tokens, how a
batch is put together, what the loss is, how outputs become answers, how answers are scored.
The training loop and the pipeline never ask which task they run.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from burnish.records import Prediction
from burnish.registry import Registry

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One split as token ids: row i is `tokens[offsets[i]:offsets[i + 1]]`."""

    ids: tuple[str, ...]  # example ids, n of them
    tokens: NDArray[np.int32]  # shape (total,), special tokens included
    offsets: NDArray[np.int64]  # shape (n + 1,)
    targets: NDArray[np.float32]  # shape (n, classes) for classification; empty where unlabelled
    references: tuple[tuple[str, ...] | None, ...]  # what predictions carry as `reference`
    rows_cut: int  # rows longer than the task's max_length
    tokens_lost: int  # tokens cut from them

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, shape (n,)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.ids)


class Task(ABC):
    """One kind of work. Built from the recipe's `task` section by a factory in the table."""

    family: ClassVar[str]  # model head, as in training.models: "sequence-classification"
    metric: str  # selects the best checkpoint; among the keys of `score`
    higher_is_better: bool = True

    @abstractmethod
    def encode(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn rows (columns of `burnish.data`: id, text, labels) into tokens and targets."""

    @abstractmethod
    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
        """Put rows into one batch: padded to the longest (multiple of 8), or packed end to end."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the loss summed over the rows of a batch, a scalar."""

    @abstractmethod
    def decode(self, logits: NDArray[np.float32], encoded: Encoded) -> list[Prediction]:
        """Turn raw outputs, one row each, into answers."""

    @abstractmethod
    def tune(self, logits: NDArray[np.float32], encoded: Encoded) -> "Task":
        """Return the task with decision thresholds chosen on labelled rows; may return itself."""

    @abstractmethod
    def score(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Return every metric of the task over whole predictions that carry references."""

    @abstractmethod
    def head(self) -> Mapping[str, Any]:
        """Return keyword arguments of the model config: num_labels, id2label."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Return what burnish.json keeps, from which `from_json` of the same class rebuilds it."""


TASKS: Registry[type[Task]] = Registry(
    "task", {"text-classification": "burnish.tasks.classification:ClassificationTask"}
)
