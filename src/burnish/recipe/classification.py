"""Recipe section `task` of a classifier."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from burnish.recipe.any_task import AnyTask
from burnish.recipe.section import Section
from burnish.records import Asked


class Collapse(Section):
    """Turn many labels into two: any label at all, or none."""

    positive: str = Field("positive", min_length=1, description="Name for rows with a label.")
    negative: str = Field("negative", min_length=1, description="Name for rows without a label.")


class Abstention(Section):
    """Leave to people what the model is least sure of (selective classification)."""

    max_risk: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="Largest share of wrong answers among those that are given without a "
        "warning; an answer is right when all its labels are. The least confidence that keeps "
        "to it is chosen on the rows that choose (see `split.tune`).",
    )
    sure: float = Field(
        0.95,
        ge=0.5,
        lt=1,
        description="Probability with which new rows of the same kind keep to `max_risk`.",
    )


class ClassificationTask(AnyTask):
    """One label (binary, multi-class) or any number of labels (multi-label) for a text."""

    asked: ClassVar[Asked] = "labels"
    default_rivals: ClassVar[tuple[str, ...]] = ("majority", "tfidf-svm")

    kind: Literal["text-classification"] = Field(
        "text-classification", description="The registered task."
    )
    labels: tuple[str, ...] = Field(
        (),
        description="Label names in order; integers in the data are positions in this list, "
        "unless a name is a whole number. Empty: taken from the training rows, sorted.",
    )
    multi_label: bool | None = Field(
        None, description="Any number of labels a row. Null: true where the label column is a list."
    )
    positive: str | None = Field(
        None,
        description="The class that f1, precision and recall speak of in a binary task. "
        "Null: the last label.",
    )
    collapse: Collapse | None = Field(
        None, description="Make a binary task of a multi-label column: any label, or none."
    )
    max_length: int = Field(
        256,
        ge=8,
        le=8192,
        description="Longest text kept whole, in tokens; longer ones are cut "
        "at the end, counted in the ledger and told.",
    )
    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["tuned"] = Field(
        "tuned",
        description="Probability in (0, 1) from which a label is given (binary, multi-label). "
        "tuned: chosen for F1 on the rows that choose (see `split.tune`).",
    )
    calibrated: bool = Field(
        True,
        description="Fit the probabilities to what came true on the rows that choose, so that "
        "of all answers with 0.8 eight in ten are right; only where thresholds are chosen there "
        "too (`threshold: tuned`), as a fixed one is a cut of the model's own probabilities.",
    )
    abstention: Abstention | None = Field(
        None,
        description="Mark answers that a person should look at. Null: none; needs "
        "`threshold: tuned`.",
    )
    normalise: tuple[Literal["ptb", "lowercase", "nfkc", "whitespace"], ...] = Field(
        (),
        description="Text clean-up, done inside the saved tokenizer so that every consumer of "
        "the model does it too. ptb: undo Penn Treebank brackets, quotes and split clitics.",
    )

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            twice = sorted({name for name in self.labels if self.labels.count(name) > 1})
            raise ValueError(f"label(s) listed twice: {', '.join(twice)}; list each once")
        if len(self.labels) == 1:
            raise ValueError(f"only one label ({self.labels[0]}); a classifier needs two or more")
        if self.positive and self.names and self.positive not in self.names:
            raise ValueError(
                f"positive ({self.positive}) is not one of the labels; {self.names[-1]} would do"
            )
        return self

    @model_validator(mode="after")
    def _rows_choose_where_to_abstain(self) -> Self:
        if self.abstention and not self.tunes_thresholds:
            raise ValueError(
                f"threshold ({self.threshold}) is fixed, so no rows choose where to abstain; "
                "`threshold: tuned` would do"
            )
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The labels the model answers with, after `collapse`; empty until taken from the data."""
        if self.collapse:
            return (self.collapse.negative, self.collapse.positive)
        return self.labels

    @property
    def tunes_thresholds(self) -> bool:
        """Whether thresholds are chosen on rows held out for it."""
        return self.threshold == "tuned"
