"""Recipe sections `data` and `split`: where the rows come from and which side they go to."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from burnish.recipe.rules import RuleSection
from burnish.recipe.section import Name, Section, Seed
from burnish.recipe.signals import SignalSection
from burnish.records import Asked

_Part = Annotated[float, Field(ge=0, lt=0.9)]
Action = Literal["ignore", "warn", "drop", "error"]
Source = str | tuple[str, ...]
CheckKind = Literal[
    "null-text",
    "empty-text",
    "null-label",
    "empty-answer",
    "unknown-label",
    "duplicates",
    "near-duplicates",
    "conflicting-labels",
    "missing-class",
    "length-outliers",
    "leak",
    "near-leak",
    "group-leak",
]


class Check(Section):
    """What to do when one data check finds something."""

    kind: CheckKind = Field(description="The registered check.")
    action: Action = Field(
        description="ignore: say nothing; warn: report; drop: leave the rows out, counted in "
        "the ledger; error: stop before training."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns a task reads, and the recipe keys that name them."""

    asked: Asked
    text: str
    answer: str | None  # None: nothing is asked, or the last message of a conversation

    @property
    def keys(self) -> str:
        """The recipe keys that name them, in words."""
        if self.asked == "texts":
            return "`data.input` and `data.output`"
        return "`data.text` and `data.label`" if self.asked == "labels" else "`data.text`"


class Data(Section):
    """Where the rows are and what their columns are called."""

    from_: str | None = Field(
        None,
        alias="from",
        description="A folder with files named train.*, validation.*, test.*; one file, to be "
        "split; `hub:owner/name[:config]`; or `starter:clauses` (made by Burnish).",
    )
    train: Source | None = Field(None, description="Training rows: file, list, glob or hub id.")
    validation: Source | None = Field(None, description="Validation rows; else split from train.")
    test: Source | None = Field(None, description="Test rows; else split from train.")
    text: str = Field(
        "text", min_length=1, description="Column with the text to classify, or to learn."
    )
    label: str = Field("label", min_length=1, description="Column with the label or labels.")
    input: str = Field(
        "input",
        min_length=1,
        description="Column with the text to answer, for tasks that write, or with the messages "
        "of a conversation: a list of objects with `role` and `content`.",
    )
    output: Annotated[str, Field(min_length=1)] | None = Field(
        "output",
        description="Column with the answer, for tasks that write: a text, or a list of accepted "
        "ones, of which the first is learned. Null: what an assistant says last in the "
        "conversations of `input`.",
    )
    id: str | None = Field(None, description="Column that names each row; null: file and row.")
    group: str | None = Field(
        None, description="Column whose equal values stay on one side of a split."
    )
    time: str | None = Field(None, description="Column to order rows by when splitting by time.")
    encoding: str = Field("utf-8", description="Character encoding of text files.")
    limit: int | None = Field(
        None,
        ge=1,
        description="Use at most this many training rows, balanced over classes where there are "
        "any, for a quick trial; the rest is counted as dropped. Null: all rows.",
    )
    checks: tuple[Check, ...] = Field((), description="Actions that differ from the defaults.")
    rules: tuple[RuleSection, ...] = Field(
        (), description="What must hold of single columns, and what becomes of rows that break it."
    )
    signals: dict[Name, SignalSection] = Field(
        {}, description="Names for what is true, or how much, of a row; joined in `select`."
    )
    select: str | None = Field(
        None,
        min_length=1,
        description="Formula of signals, as `brand & (words > 3) & ~negative`. Rows of which it "
        "is not surely true are left out, each counted and kept in a file. Null: all rows.",
    )

    @model_validator(mode="after")
    def _rows_come_from_somewhere(self) -> Self:
        if self.from_ is None and self.train is None:
            raise ValueError("neither `from` nor `train` is set; `from: data/` would do")
        kinds = [check.kind for check in self.checks]
        twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
        if twice:
            raise ValueError(f"check(s) listed twice: {', '.join(twice)}; list each once")
        return self

    @property
    def further_columns(self) -> tuple[str, ...]:
        """Columns that signals and rules name."""
        asked = (getattr(one, "column", None) for one in (*self.signals.values(), *self.rules))
        return tuple(dict.fromkeys(name for name in asked if name))

    def columns(self, asked: Asked) -> Columns:
        """Return the columns of a task, by what it wants answered."""
        if asked == "texts":
            return Columns(asked=asked, text=self.input, answer=self.output)
        return Columns(
            asked=asked, text=self.text, answer=self.label if asked == "labels" else None
        )


class Split(Section):
    """How rows are divided when the data does not come divided."""

    validation: _Part = Field(
        0.1, description="Share of rows, in [0, 0.9), when no validation rows are given."
    )
    test: _Part = Field(
        0.1,
        description="Share of rows, in [0, 0.9), when neither validation nor test rows are given.",
    )
    tune: _Part = Field(
        0.0,
        description="Share of training rows, in [0, 0.9), held out to choose the epoch and the "
        "thresholds when validation must stay untouched; 0: validation chooses.",
    )
    by: Literal["auto", "random", "stratified", "group", "time", "cluster"] = Field(
        "auto",
        description="auto: group if `data.group` is set, else time if `data.time` is set, else "
        "cluster: near-duplicates kept together, and stratified where there are classes.",
    )
    seed: Seed = Field(0, description="Seed of the split, a whole number.")

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> Self:
        if self.validation + self.test >= 0.95:  # noqa: PLR2004
            raise ValueError(
                f"validation ({self.validation}) and test ({self.test}) leave under 5 % to "
                "train on; 0.1 and 0.1 would do"
            )
        return self
