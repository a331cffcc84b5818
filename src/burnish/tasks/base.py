"""The task interface, and the table of tasks.

A task owns everything that differs between kinds of work: how rows become tokens, how a
batch is put together, what the loss is, how outputs become answers, how answers are scored.
The training loop and the pipeline never ask which task they run.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch import Tensor

from burnish.recipe.training import Training
from burnish.records import Prediction
from burnish.registry import Registry

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """One split as token ids: row i is `tokens[offsets[i]:offsets[i + 1]]`."""

    ids: tuple[str, ...]  # example ids, n of them
    tokens: NDArray[np.int32]  # shape (total,), special tokens included
    offsets: NDArray[np.int64]  # shape (n + 1,)
    targets: NDArray[np.float32]  # shape (n, classes) for classification; zeros where unlabelled
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

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Any, space: Any) -> Self:
        """Build the task from the recipe's `task` section and the label space of the data."""

    @classmethod
    @abstractmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the task from what `to_json` returned."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """The metric that selects the best checkpoint; among the keys of `score`."""

    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Return the names that `score` answers with."""

    @abstractmethod
    def higher_is_better(self, metric: str) -> bool:
        """Return whether more of a metric of `score` is better."""

    @abstractmethod
    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer with the task's clean-up and length limit inside."""

    @abstractmethod
    def for_training(self, training: Training, encoded: Encoded) -> Self:
        """Return the task with the recipe's loss, fitted to the classes of the training rows."""

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
    def tune(self, logits: NDArray[np.float32], encoded: Encoded) -> Self:
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
