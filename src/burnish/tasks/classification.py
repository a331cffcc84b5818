"""Text classification: one label a text (binary, multi-class) or any number (multi-label).

Binary and multi-class models end in a softmax, multi-label ones in a sigmoid for each label.
Thresholds apply to the probability of the class of interest (binary) or of each label
(multi-label); several classes of which one is right have none. Where the recipe asks for it,
answers below a least confidence are marked: a person should look at them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, softmax

from burnish.evaluation.answers import from_predictions
from burnish.evaluation.metrics.table import METRICS, default_metric, metric_names
from burnish.evaluation.scaling import Scaling, fit_sigmoid, fit_softmax
from burnish.evaluation.selective import confidences, least_confidence
from burnish.evaluation.thresholds import tune_thresholds
from burnish.recipe.classification import Abstention
from burnish.recipe.classification import ClassificationTask as Section
from burnish.recipe.training import Training
from burnish.records import LabelSpace, Prediction
from burnish.tasks import batch
from burnish.tasks.base import Answer, Batch, Task
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
    thresholds: tuple[float, ...]  # multi-label: one a label; binary: one; multi-class: none
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
        return cls(
            space=space,
            max_length=section.max_length,
            thresholds=(start,) * _threshold_count(space),
            tunes=tuned and _threshold_count(space) > 0,
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
        """Return the loss and every registered metric that fits the label space."""
        return ("loss", *metric_names(self.space))

    def higher_is_better(self, metric: str) -> bool:
        """Return whether more of that metric is better."""
        return metric != "loss" and METRICS.get(metric).higher_is_better

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

    def _probabilities(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return probabilities in [0, 1] of the shape of the logits, (n, classes)."""
        wide = logits.astype(np.float64)
        scores = expit(wide) if self.space.multi_label else softmax(wide, axis=1)
        return np.asarray(scores)

    def decode(
        self,
        outputs: NDArray[np.float32],
        encoded: Encoded,
        texts: Sequence[Answer] = (),  # noqa: ARG002  (nothing is written)
    ) -> list[Prediction]:
        """Return one answer a row, with the probability of every label."""
        scores = self._probabilities(outputs)
        given, names = self._given(scores), self.space.names
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
                self._abstains(scores, given),
                strict=True,
            )
        ]

    def _abstains(
        self, scores: NDArray[np.float64], given: NDArray[np.bool_]
    ) -> Sequence[bool | None]:
        """Return which rows a person should look at; None for each where that is not asked."""
        if self.least_confidence is None:
            return [None] * len(scores)
        return [bool(one) for one in self._confidences(scores, given) < self.least_confidence]

    def _confidences(
        self, scores: NDArray[np.float64], given: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        return confidences(scores, given, multi_label=self.space.multi_label)

    def _given(self, scores: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which labels are given, shape (n, classes)."""
        if self.space.multi_label:
            return np.asarray(scores >= np.array(self.thresholds))
        chosen = scores.argmax(axis=1)
        if self.space.is_binary:
            positive = self._positive()
            chosen = np.where(scores[:, positive] >= self.thresholds[0], positive, 1 - positive)
        return np.asarray(np.eye(len(self.space.names), dtype=bool)[chosen])

    def _positive(self) -> int:
        if self.space.positive is None:
            raise ValueError("only a binary task has a class of interest")
        return self.space.names.index(self.space.positive)

    def scaling(self, outputs: NDArray[np.float32], encoded: Encoded) -> Scaling | None:
        """Return what makes the probabilities of labelled rows what came true."""
        if not self.scales:
            return None
        truth = encoded.targets > _HALF
        if self.space.multi_label:
            return fit_sigmoid(outputs, truth)
        if self.space.is_binary:
            positive = self._positive()
            odds = outputs[:, [positive]] - outputs[:, [1 - positive]]
            return fit_sigmoid(odds, truth[:, [positive]])
        return fit_softmax(outputs, truth)

    @property
    def shifted(self) -> tuple[int, ...]:
        """Every label where each has a sigmoid, the class of interest where there is one."""
        if self.space.multi_label:
            return tuple(range(self.width))
        return (self._positive(),) if self.space.is_binary else ()

    def scaled(self) -> Self:
        """Return the task of a model that has its scaling inside."""
        return replace(self, calibrated=True, scales=False)

    def tune(self, outputs: NDArray[np.float32], encoded: Encoded) -> Self:
        """Return the task with thresholds chosen for F1, and the least confidence for its risk."""
        scores, truth = self._probabilities(outputs), encoded.targets > _HALF
        task = self._with_thresholds(scores, truth) if self.tunes else self
        if self.abstention is None:
            return task
        given = task._given(scores)
        floor = least_confidence(
            self._confidences(scores, given),
            (given == truth).all(axis=1),
            max_risk=self.abstention.max_risk,
            sure=self.abstention.sure,
        )
        return replace(task, least_confidence=floor)

    def _with_thresholds(self, scores: NDArray[np.float64], truth: NDArray[np.bool_]) -> Self:
        if self.space.is_binary:
            scores, truth = scores[:, [self._positive()]], truth[:, [self._positive()]]
        chosen = tune_thresholds(scores, truth)
        return replace(self, thresholds=tuple(np.asarray(chosen, np.float64).tolist()))

    def judge(self, outputs: NDArray[np.float32], encoded: Encoded) -> dict[str, float]:
        """Return the mean loss and every metric of labelled rows."""
        judged = batch.tensors(outputs=outputs, targets=encoded.targets)
        loss = float(self.loss(judged["outputs"], judged)) / len(encoded)
        return {"loss": loss} | self.score(self.decode(outputs, encoded))

    def score(self, predictions: Sequence[Prediction]) -> dict[str, float]:
        """Return every metric that applies to the label space."""
        answers = from_predictions(predictions, self.space)
        return {
            name: float(METRICS.get(name).function(answers)) for name in metric_names(self.space)
        }


def _threshold_count(space: LabelSpace) -> int:
    if space.multi_label:
        return len(space.names)
    return 1 if space.is_binary else 0
