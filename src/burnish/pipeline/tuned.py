"""What a tuned model answers, split by split, each computed once and only when asked for.

A task that writes takes long to answer, so the graph cannot have all splits answered in case
somebody wants one. And where no rows are held out, two outputs speak of the same split.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.records import Asked, Prediction
from burnish.tasks.encoded import Encoded
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.predict import predictions, raw_outputs


@dataclass(frozen=True, slots=True, kw_only=True)
class TunedAnswers:
    """Raw outputs and answers of a fitted model by split."""

    fitted: FitResult
    encoded: dict[str, Encoded]
    hardware: Hardware
    tokenizer: Any
    known: dict[str, NDArray[np.float32]]  # raw outputs; those of training to begin with
    answered: dict[str, list[Prediction]] = field(default_factory=dict)

    def outputs(self, split: str) -> NDArray[np.float32]:
        """Return the raw outputs of a split, shape (n, width of the task)."""
        if split not in self.known:
            fitted = self.fitted
            self.known[split] = raw_outputs(
                fitted.model, self.encoded[split], fitted.task, self.hardware
            )
        return self.known[split]

    def predictions(self, split: str) -> list[Prediction]:
        """Return the answers to a split, in its order."""
        if split not in self.answered:
            fitted, outputs = self.fitted, self.outputs(split)
            self.answered[split] = predictions(
                fitted.model,
                self.encoded[split],
                fitted.task,
                self.hardware,
                self.tokenizer,
                outputs=outputs,
            )
        return self.answered[split]

    def metrics(self, split: str, *, answers: bool) -> dict[str, float]:
        """Return what the outputs of a split come to, as each epoch is judged by.

        Args:
            split: its name.
            answers: have the split answered, and add every metric of the answers.
        """
        task = self.fitted.task
        scores = task.score(self.predictions(split)) if answers else {}
        # Last, so that the loss is the same kind of number with and without answers.
        return scores | task.judge(self.outputs(split), self.encoded[split])


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated:
    """The tuned model on the rows of validation."""

    answers: pl.DataFrame  # columns as `answer_table` tells
    metrics: dict[str, float]


def answer_table(
    predictions: list[Prediction], rows: pl.DataFrame, *, asked: Asked
) -> pl.DataFrame:
    """Return answers beside what was asked: columns id, input, references, answer.

    `references` is a list of texts, or of labels; so is `answer`, but for one text where texts
    are asked for. References are null where a row has none.

    Args:
        predictions: of the rows, in any order.
        rows: of the split, with columns id and text.
        asked: what the task wants answered.
    """
    writes = asked == "texts"
    inputs = dict(rows.select("id", "text").iter_rows())
    texts = pl.List(pl.String)
    return pl.DataFrame(
        {
            "id": [one.example_id for one in predictions],
            "input": [inputs[one.example_id] for one in predictions],
            "references": [
                None if one.reference is None else list(one.reference) for one in predictions
            ],
            "answer": [one.answer[0] if writes else list(one.answer) for one in predictions],
        },
        schema={
            "id": pl.String,
            "input": pl.String,
            "references": texts,
            "answer": pl.String if writes else texts,
        },
    )
