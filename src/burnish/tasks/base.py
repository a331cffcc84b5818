"""The task interface, and the table of tasks.

A task owns everything that differs between kinds of work: how rows become tokens, how a
batch is put together, what the loss is, how outputs become answers, how answers are scored.
The training loop and the pipeline never ask which task they run.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.evaluation.scaling import Scaling
from burnish.recipe.task import MASKED, PLAIN_TEXT
from burnish.recipe.training import Training
from burnish.records import Prediction, Space
from burnish.registry import Registry
from burnish.tasks.encoded import Encoded

if TYPE_CHECKING:  # answers can be read and told where nothing is computed by torch
    from torch import Tensor

Batch: TypeAlias = "dict[str, Tensor]"


@dataclass(frozen=True, slots=True)
class Writing:
    """How a task that writes wants its answers written."""

    max_new_tokens: int
    beams: int = 1
    no_repeat_ngram: int = 0  # no run of so many tokens comes twice; 0: off
    length_penalty: float = 1.0  # of beams; above 1 longer answers win

    @property
    def is_greedy(self) -> bool:
        """Whether each token is the likeliest after those before it."""
        return self.beams == 1 and not self.no_repeat_ngram

    def as_arguments(self) -> dict[str, Any]:
        """Return what transformers' `generate` has to be told, without what it does anyhow."""
        told: dict[str, Any] = {"max_new_tokens": self.max_new_tokens, "do_sample": False}
        if self.no_repeat_ngram:
            told["no_repeat_ngram_size"] = self.no_repeat_ngram
        if self.beams > 1:
            told["num_beams"] = self.beams
            # Without beams it has no effect, and transformers refuses to save it.
            told |= {"length_penalty": self.length_penalty} if self.length_penalty != 1 else {}
        return told


@dataclass(frozen=True, slots=True)
class Answer:
    """One written answer as text."""

    text: str
    complete: bool  # ended by itself, not by the limit


@dataclass(frozen=True, slots=True)
class Unfit:
    """Rows of one split that cannot be learned as they are."""

    code: str  # name of the finding, as "long-answer"
    rows: NDArray[np.bool_]  # shape (n,), which they are
    words: str  # what is wrong with them
    action: Literal["error", "drop", "warn"]  # as the recipe says
    fix: str


class Task(ABC):
    """One kind of work. Built from the recipe's `task` section by a factory in the table.

    Raw outputs are what one forward pass gives for each row, k numbers of it: logits for a
    classifier, and where tokens are learned their summed loss and how many they are.
    """

    family: ClassVar[str]  # model head, as in training.models: "sequence-classification"
    space: Space
    joins: ClassVar[bool] = False  # whether an answer goes on from its input, in one sequence

    @classmethod
    @abstractmethod
    def from_recipe(cls, section: Any, space: Any) -> Self:
        """Build the task from the recipe's `task` section and the answers of the data."""

    @classmethod
    @abstractmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the task from what `to_json` returned."""

    @property
    @abstractmethod
    def metric(self) -> str:
        """The metric of the verdict; among the keys of `score`."""

    @property
    def selects(self) -> str:
        """The metric that chooses the checkpoint; `loss` or among the keys of `judge`."""
        return self.metric

    @property
    def writing(self) -> Writing | None:
        """How answers are written; None for a task that answers in one forward pass."""
        return None

    @property
    @abstractmethod
    def longest(self) -> int:
        """The longest text kept whole, in tokens."""

    @property
    def limits(self) -> dict[str, int]:
        """How long texts may be, in tokens, as burnish.json tells others."""
        return {"max_length": self.longest}

    @property
    def prompt_form(self) -> dict[str, Any] | None:
        """How an input is put to the model, as burnish.json tells others; None: as it is."""
        return None

    @property
    @abstractmethod
    def width(self) -> int:
        """How many raw outputs a row has."""

    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Return the names that `judge` answers with."""

    @abstractmethod
    def higher_is_better(self, metric: str) -> bool:
        """Return whether more of a metric of `score` or `judge` is better."""

    @abstractmethod
    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer with the task's clean-up and length limit inside."""

    def measure(self, rows: pl.DataFrame, tokenizer: Any) -> Self:  # noqa: ARG002
        """Return the task with the lengths that it takes from the training rows."""
        return self

    def unfit(self, rows: pl.DataFrame, tokenizer: Any) -> list[Unfit]:  # noqa: ARG002
        """Return the training rows that only their tokens show to be unfit, by reason."""
        return []

    @abstractmethod
    def for_training(self, training: Training, encoded: Encoded) -> Self:
        """Return the task with the recipe's loss, fitted to the training rows."""

    @abstractmethod
    def encode(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn rows (columns of `burnish.data`: id, text, labels) into tokens and targets."""

    def encode_text(self, example_id: str, text: str, tokenizer: Any) -> Encoded:
        """Turn one text without an answer into tokens, as `encode` does."""
        return self.encode(pl.DataFrame({"id": [example_id], "text": [text]}), tokenizer)

    def encode_to_learn(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn training rows into tokens and targets; as `encode`, unless the task differs."""
        return self.encode(rows, tokenizer)

    def drawn(self, encoded: Encoded, *, seed: int, epoch: int) -> Encoded:  # noqa: ARG002
        """Return training rows as one epoch sees them; their lengths stay. Here: as they are."""
        return encoded

    @abstractmethod
    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
        """Put rows into one batch: padded (`batch.padded_length`), or packed end to end."""

    def weight(self, encoded: Encoded, rows: Sequence[int]) -> float:  # noqa: ARG002
        """Return what the summed loss of rows is divided by: here how many they are."""
        return float(len(rows))

    @abstractmethod
    def loss(self, outputs: "Tensor", batch: Batch) -> "Tensor":
        """Return the loss summed over the rows of a batch, a scalar."""

    @abstractmethod
    def decode(
        self, outputs: NDArray[np.float32], encoded: Encoded, texts: Sequence[Answer] = ()
    ) -> list[Prediction]:
        """Turn raw outputs, one row each, into answers; `texts` is what was written for each."""

    def scaling(
        self,
        outputs: NDArray[np.float32],  # noqa: ARG002
        encoded: Encoded,  # noqa: ARG002
    ) -> Scaling | None:
        """Return what calibrates the outputs of labelled rows. Here: nothing."""
        return None

    @property
    def shifted(self) -> tuple[int, ...]:
        """Which raw outputs the shift of a scaling is added to."""
        return ()

    def scaled(self) -> Self:
        """Return the task of a model that has its scaling inside."""
        return self

    @abstractmethod
    def tune(self, outputs: NDArray[np.float32], encoded: Encoded) -> Self:
        """Return the task with decision thresholds chosen on labelled rows; may return itself."""

    @abstractmethod
    def judge(self, outputs: NDArray[np.float32], encoded: Encoded) -> dict[str, float]:
        """Return the metrics that raw outputs alone give, as each epoch is judged by."""

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
    "task",
    {
        "text-classification": "burnish.tasks.classification:ClassificationTask",
        "causal-lm": "burnish.tasks.causal_lm:CausalTask",
        PLAIN_TEXT: "burnish.tasks.plain_text:PlainTextTask",
        MASKED: "burnish.tasks.masked_lm:MaskedTask",
        "seq2seq": "burnish.tasks.seq2seq:Seq2SeqTask",
    },
)
"""Tasks: how examples become tokens and outputs become answers."""
