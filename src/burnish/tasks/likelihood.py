"""What tasks have in common whose rows are tokens that a model shall find likely.

The tokens are answers that it learns to write, or plain texts. Raw outputs are sums over a row's
tokens, so that every figure is of the whole data set: their loss, how many they are, and of how
many the right one is the model's first, or among its first five. The last two are counted where
a model is judged; where it learns they are nan.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from burnish.errors import ModelTaskError, RecipeError
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.likelihoods import LOG_LIKELIHOOD, TOKENS, TOPS
from burnish.evaluation.metrics.table import METRICS, default_metric, metric_names
from burnish.recipe.training import Training
from burnish.records import Prediction
from burnish.tasks.base import Answer, Batch, Task
from burnish.tasks.batch import tensors
from burnish.tasks.encoded import Encoded

if TYPE_CHECKING:
    from torch import Tensor

LOSS, COUNT = 0, 1  # columns of the raw outputs
_HITS = (2, 3)  # the columns of `TOPS`
WIDTH = 4
_OF_OUTPUTS = ("loss", "perplexity", *TOPS)


@dataclass(frozen=True, slots=True, kw_only=True)
class LikelihoodTask(Task):
    """A task that learns tokens."""

    kind: ClassVar[str]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the task from what `to_json` returned."""
        return cls(**{one.name: value[one.name] for one in fields(cls) if one.init})

    def to_json(self) -> dict[str, Any]:
        """Return the kind and every setting."""
        settings = {one.name: getattr(self, one.name) for one in fields(self) if one.init}
        return {"kind": self.kind} | settings

    @property
    def metric(self) -> str:
        """ROUGE-L of texts that are written, perplexity of those that are read."""
        return default_metric(self.space)

    @property
    def selects(self) -> str:
        """The loss: writing every answer after every epoch would cost more than the epoch."""
        return "loss"

    @property
    def width(self) -> int:
        """Summed loss of the tokens in nats, how many they are, and how many are hit."""
        return WIDTH

    def metric_names(self) -> tuple[str, ...]:
        """Return what an epoch is judged by."""
        return _OF_OUTPUTS

    def higher_is_better(self, metric: str) -> bool:
        """Return whether more of that metric is better."""
        return METRICS.get(metric).higher_is_better

    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer; one without an end mark would never stop writing.

        Raises:
            ModelTaskError: BN304, it has no end mark.
        """
        if tokenizer.eos_token_id is None:
            raise ModelTaskError(
                "the tokenizer has no end-of-text token, so no answer could ever end",
                where="recipe key `model`",
                fix="use a model whose tokenizer has an eos_token",
            )
        return tokenizer

    def head(self) -> Mapping[str, Any]:
        """Return nothing: the vocabulary is the head."""
        return {}

    def for_training(self, training: Training, encoded: Encoded) -> Self:  # noqa: ARG002
        """Return the task itself: its loss is the plain cross-entropy of the tokens.

        Raises:
            RecipeError: BN101, a key for rare classes or label smoothing is set.
        """
        imbalance = training.imbalance
        if imbalance.loss != "plain" or imbalance.majority_ratio or training.label_smoothing:
            raise RecipeError(
                "rare classes and label smoothing are for classification; this task has no labels",
                where="recipe keys `training.imbalance` and `training.label_smoothing`",
                fix="leave both out",
            )
        return self

    def weight(self, encoded: Encoded, rows: Sequence[int]) -> float:
        """Return the tokens that are learned of the rows: the loss is a mean over tokens."""
        if encoded.answers is None:
            return 0.0
        return float(encoded.answers.lengths[list(rows)].sum())

    def loss(self, outputs: "Tensor", batch: Batch) -> "Tensor":  # noqa: ARG002
        """Return the loss summed over all tokens that are learned, in nats."""
        return outputs[:, LOSS].sum()

    def decode(
        self,
        outputs: NDArray[np.float32],
        encoded: Encoded,
        texts: Sequence[Answer] = (),  # noqa: ARG002
    ) -> list[Prediction]:
        """Return how likely each text is, its pieces together."""
        sums: dict[str, NDArray[np.float64]] = {}
        for name, row in zip(encoded.ids, outputs.astype(np.float64), strict=True):
            sums[name] = sums[name] + row if name in sums else row
        return [
            Prediction(
                example_id=name,
                answer=(),
                reference=(),
                scores=likelihood_of(row),
            )
            for name, row in sums.items()
        ]

    def judge(self, outputs: NDArray[np.float32], encoded: Encoded) -> dict[str, float]:  # noqa: ARG002
        """Return the loss a token in nats, the perplexity, and where it was counted top1, top5."""
        sums = outputs.astype(np.float64).sum(axis=0)
        means = sums / max(1.0, sums[COUNT])
        loss = float(means[LOSS])
        told = {"loss": loss, "perplexity": math.exp(min(loss, 700.0))}
        return told | _counted(means)

    def tune(self, outputs: NDArray[np.float32], encoded: Encoded) -> Self:  # noqa: ARG002
        """Return the task itself: it has no thresholds."""
        return self

    def score(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Return every metric that fits the task."""
        answers = from_predictions(predictions, self.space)
        return {
            name: float(METRICS.get(name).function(answers)) for name in metric_names(self.space)
        }


def likelihood_of(row: NDArray[np.float64]) -> dict[str, float]:
    """Return the scores of a prediction: how likely a text is, over how many tokens, and hits."""
    return {LOG_LIKELIHOOD: -float(row[LOSS]), TOKENS: float(row[COUNT])} | _counted(row)


def _counted(row: NDArray[np.float64]) -> dict[str, float]:
    """Return the columns of hits by name; nothing while a model learns."""
    found = {name: float(row[at]) for name, at in zip(TOPS, _HITS, strict=True)}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def supervised(answers: Sequence[NDArray[np.int32]], starts: Sequence[int]) -> Batch:
    """Return `foretold` of answers that are written one token after the other.

    Args:
        answers: tokens of each row's answer.
        starts: position, in the flattened batch, of the output that predicts its first token.
    """
    return foretold(
        [np.arange(start, start + len(one)) for start, one in zip(starts, answers, strict=True)],
        answers,
    )


def foretold(at: Sequence[NDArray[Any]], tokens: Sequence[NDArray[np.int32]]) -> Batch:
    """Return which outputs are learned: `at` position, `next` token, `owner` row; each (S,).

    Args:
        at: positions of each row's outputs, in the flattened batch.
        tokens: what those of each row are to say.
    """
    return tensors(
        at=np.concatenate(at).astype(np.int64),
        next=np.concatenate(tokens).astype(np.int64),
        owner=np.repeat(np.arange(len(tokens)), [len(one) for one in tokens]),
    )
