"""Text classification: one label a text (binary, multi-class) or any number (multi-label).

Which labels a model's outputs mean is `tasks.decision`'s to say. Where the recipe asks for it,
answers below a least confidence are marked: a person should look at them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.evaluation.answers import from_predictions
from burnish.evaluation.metrics.table import METRICS, default_metric, metric_names
from burnish.evaluation.scaling import Scaling
from burnish.recipe.classification import Abstention
from burnish.recipe.classification import ClassificationTask as Section
from burnish.recipe.training import Training
from burnish.records import LabelSpace, Prediction
from burnish.tasks import batch
from burnish.tasks.base import Answer, Batch, Task
from burnish.tasks.decision import Decision
from burnish.tasks.encoded import Encoded
from burnish.tasks.objective import Objective
from burnish.tasks.tokens import encode_texts, with_clean_up

if TYPE_CHECKING:
    from torch import Tensor

_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationTask(Task):
    """A label space, how long a text may be, and from which probability a label is given."""

    family: ClassVar[str] = "sequence-classification"

    space: LabelSpace
    max_length: int  # tokens
    thresholds: tuple[float, ...]  # as many as `Decision` says
    tunes: bool  # whether `tune` may change the thresholds
    scales: bool = False  # whether `scaling` may be fitted
    calibrated: bool = False  # whether it was, and is in the model
    abstention: Abstention | None = None  # how `tune` chooses the least confidence
    least_confidence: float | None = None  # below which an answer is marked; None: never
    normalise: tuple[str, ...] = ()
    objective: Objective = field(default_factory=Objective)

    @classmethod
    def from_recipe(cls, section: Section, space: LabelSpace) -> Self:
        """Build the task of a recipe for the labels of its data."""
        tuned = section.threshold == "tuned"
        start = _HALF if section.threshold == "tuned" else section.threshold
        thresholds = Decision.at(start, space).thresholds
        return cls(
            space=space,
            max_length=section.max_length,
            thresholds=thresholds,
            tunes=tuned and bool(thresholds),
            scales=tuned and section.calibrated,
            abstention=section.abstention,
            normalise=section.normalise,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Build the task from what `to_json` returned."""
        return cls(
            space=LabelSpace.from_json(value),
            max_length=int(value["max_length"]),
            thresholds=tuple(map(float, value["thresholds"])),
            tunes=False,
            calibrated=bool(value.get("calibrated", False)),
            least_confidence=value.get("least_confidence"),
            normalise=tuple(value["normalise"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return kind, labels, thresholds and limits."""
        return {
            "kind": "text-classification",
            **self.space.to_json(),
            "thresholds": list(self.thresholds),
            "calibrated": self.calibrated,
            "least_confidence": self.least_confidence,
            "max_length": self.max_length,
            "normalise": list(self.normalise),
        }

    @property
    def metric(self) -> str:
        """F1 of the class of interest where there is one, else macro F1."""
        return default_metric(self.space)

    @property
    def longest(self) -> int:
        """The longest text kept whole, in tokens."""
        return self.max_length

    @property
    def width(self) -> int:
        """One logit a class."""
        return len(self.space.names)

    def metric_names(self) -> tuple[str, ...]:
        """Return every registered metric that fits the label space, the loss among them."""
        return metric_names(self.space)

    def higher_is_better(self, metric: str) -> bool:
        """Return whether more of that metric is better."""
        return METRICS.get(metric).higher_is_better

    def head(self) -> Mapping[str, Any]:
        """Return num_labels, id2label, label2id and problem_type of the model's config."""
        names = self.space.names
        kind = "multi_label" if self.space.multi_label else "single_label"
        return {
            "num_labels": len(names),
            "id2label": dict(enumerate(names)),
            "label2id": {name: at for at, name in enumerate(names)},
            "problem_type": f"{kind}_classification",
        }

    def prepare_tokenizer(self, tokenizer: Any) -> Any:
        """Return the tokenizer with the clean-up and the length limit inside."""
        tokenizer = with_clean_up(tokenizer, self.normalise)
        tokenizer.model_max_length = self.max_length
        return tokenizer

    def for_training(self, training: Training, encoded: Encoded) -> Self:
        """Return the task with the recipe's loss, weighed by the classes of `encoded`."""
        objective = Objective.from_recipe(
            training, encoded.targets, multi_label=self.space.multi_label
        )
        return replace(self, objective=objective)

    def encode(self, rows: pl.DataFrame, tokenizer: Any) -> Encoded:
        """Turn rows into tokens and targets; without a column `labels` rows are unlabelled.

        Raises:
            KeyError: a label is not in the label space; the data checks come before this.
        """
        texts = [text or "" for text in rows["text"].to_list()]
        labels = rows["labels"].to_list() if "labels" in rows.columns else [None] * rows.height
        return self._encoded(rows["id"].to_list(), texts, labels, tokenizer)

    def encode_text(self, example_id: str, text: str, tokenizer: Any) -> Encoded:
        """Turn one text into tokens; without a frame, which takes longer than a tokenizer."""
        return self._encoded([example_id], [text], [None], tokenizer)

    def _encoded(
        self,
        ids: Sequence[str],
        texts: Sequence[str],
        column: Sequence[Sequence[str] | None],
        tokenizer: Any,
    ) -> Encoded:
        inputs, rows_cut, tokens_lost = encode_texts(texts, tokenizer, max_length=self.max_length)
        place = {name: at for at, name in enumerate(self.space.names)}
        targets = np.zeros((len(ids), len(place)), np.float32)
        for row, labels in enumerate(column):
            targets[row, [place[name] for name in labels or ()]] = 1
        return Encoded(
            ids=tuple(ids),
            inputs=inputs,
            targets=targets,
            references=tuple(None if labels is None else tuple(labels) for labels in column),
            rows_cut=rows_cut,
            tokens_lost=tokens_lost,
        )

    def collate(self, encoded: Encoded, rows: Sequence[int], *, packed: bool, pad_id: int) -> Batch:
        """Return the tokens of the rows, padded or packed, and `targets` of (rows, classes)."""
        pieces = [encoded.inputs.row(at) for at in rows]
        form = batch.packed if packed else batch.padded
        targets = batch.tensors(targets=encoded.targets[list(rows)])
        return form(pieces, pad_id=pad_id) | targets

    def loss(self, outputs: "Tensor", batch: Batch) -> "Tensor":
        """Return the loss summed over rows; logits of shape (rows, classes)."""
        form = self.objective.multiple if self.space.multi_label else self.objective.single
        return form(outputs.float(), batch["targets"])

    def decode(
        self,
        outputs: NDArray[np.float32],
        encoded: Encoded,
        texts: Sequence[Answer] = (),  # noqa: ARG002  (nothing is written)
    ) -> list[Prediction]:
        """Return one answer a row, with the probability of every label."""
        names, decision = self.space.names, self._decision
        scores = decision.scores(outputs)
        given = decision.given(scores)
        return [
            Prediction(
                example_id=example_id,
                answer=tuple(names[at] for at in np.flatnonzero(mask)),
                reference=reference,
                scores=dict(zip(names, row.tolist(), strict=True)),
                abstains=abstains,
            )
            for example_id, mask, reference, row, abstains in zip(
                encoded.ids,
                given,
                encoded.references,
                scores,
                decision.abstains(scores, given),
                strict=True,
            )
        ]

    def scaling(self, outputs: NDArray[np.float32], encoded: Encoded) -> Scaling | None:
        """Return what makes the probabilities of labelled rows what came true."""
        if not self.scales:
            return None
        return self._decision.scaling(outputs, encoded.targets > _HALF)

    @property
    def shifted(self) -> tuple[int, ...]:
        """Every label where each has a sigmoid, the class of interest where there is one."""
        return self._decision.shifted

    def scaled(self) -> Self:
        """Return the task of a model that has its scaling inside."""
        return replace(self, calibrated=True, scales=False)

    def tune(self, outputs: NDArray[np.float32], encoded: Encoded) -> Self:
        """Return the task with thresholds chosen for F1, and the least confidence for its risk."""
        decision, truth = self._decision, encoded.targets > _HALF
        scores = decision.scores(outputs)
        if self.tunes:
            decision = decision.with_thresholds(scores, truth)
        if self.abstention:
            decision = decision.with_least_confidence(scores, truth, self.abstention)
        return replace(
            self, thresholds=decision.thresholds, least_confidence=decision.least_confidence
        )

    @property
    def _decision(self) -> Decision:
        return Decision(
            space=self.space,
            thresholds=self.thresholds,
            least_confidence=self.least_confidence,
        )

    def judge(self, outputs: NDArray[np.float32], encoded: Encoded) -> dict[str, float]:
        """Return every metric of labelled rows; the loss is the one that training makes smaller.

        It differs from the metric of that name where the recipe weighs classes, or smooths labels.
        """
        judged = batch.tensors(outputs=outputs, targets=encoded.targets)
        loss = float(self.loss(judged["outputs"], judged)) / len(encoded)
        return self.score(self.decode(outputs, encoded)) | {"loss": loss}

    def score(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Return every metric that applies to the label space."""
        answers = from_predictions(predictions, self.space)
        return {
            name: float(METRICS.get(name).function(answers)) for name in metric_names(self.space)
        }
