"""Values that pass between stages and are kept in files.

A prediction carries its reference, so a prediction file can be scored alone: evaluation
never needs the model, nor the data set it was made from.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, Self

Severity = Literal["info", "warning", "error"]
Verdict = Literal["ship", "keep-baseline", "need-more-data"]
Asked = Literal["labels", "texts", "nothing"]  # what a task wants answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One word that a model puts in the place of a mask."""

    score: float  # probability in [0, 1]
    token: int  # its number in the vocabulary
    token_str: str
    sequence: str  # the text with it in that place, other masks as they were


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What one system answered for one example, and what it should have answered.

    `answer` and `reference` are label names for classification (one for binary and
    multi-class, any number for multi-label) and one text (reference: one or more accepted
    texts, of which training learns the first) for generation. Both are empty for plain texts,
    of which nothing is asked.

    `scores` holds a probability for each label; for generation, where the system has them:
    `log_likelihood` of the first reference in nats, the `tokens` that is over, of how many of
    them the right one was the system's first (`top1`) or among its first five (`top5`), and
    `complete`, 1 where the answer ended by itself and 0 where it hit the limit of length. For
    plain texts: `log_likelihood`, `tokens`, `top1` and `top5` of the text itself.
    """

    example_id: str
    answer: tuple[str, ...]
    reference: tuple[str, ...] | None  # None where the row came without one
    scores: dict[str, float] = field(default_factory=dict)
    fills: tuple[tuple[Fill, ...], ...] = ()  # of a text with masks: mask by mask, best first
    abstains: bool | None = None  # whether a person should look at it; None: that is not asked

    def to_json(self) -> dict[str, Any]:
        """Return a line of a prediction file: id, answer, scores, reference; fills, abstains."""
        told: dict[str, Any] = {
            "id": self.example_id,
            "answer": list(self.answer),
            "scores": {name: round(value, 8) for name, value in self.scores.items()},
            "reference": None if self.reference is None else list(self.reference),
        }
        if self.fills:
            told["fills"] = [[asdict(one) for one in mask] for mask in self.fills]
        if self.abstains is not None:
            told["abstains"] = self.abstains
        return told

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> Self:
        """Read what `to_json` wrote; one label or text may stand there without a list.

        Raises:
            KeyError: `id` or `answer` is absent.
            TypeError, AttributeError, ValueError: a value is of another kind.
        """
        reference = line.get("reference")
        if line["id"] is None:
            raise ValueError("the id is null")
        return cls(
            example_id=str(line["id"]),
            answer=_texts(line["answer"], "answer"),
            reference=None if reference is None else _texts(reference, "reference"),
            scores={
                str(name): _number(value, str(name))
                for name, value in (line.get("scores") or {}).items()
            },
            abstains=line.get("abstains"),
        )


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if isinstance(value, str):  # whose letters are no labels
        return (value,)
    if not isinstance(value, list | tuple) or None in value:
        raise TypeError(f"the {name} {value!r} is neither a text nor a list of texts")
    return tuple(map(str, value))


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as err:
        raise ValueError(f"the score {value!r} of {name!r} is no number") from err


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSpace:
    """The classes of a classification task, in the order of the model's outputs."""

    asked: ClassVar[Asked] = "labels"

    names: tuple[str, ...]
    multi_label: bool  # any number of labels a row; else exactly one
    positive: str | None = None  # the class of interest; set for binary tasks only

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes, one of them the class of interest."""
        return self.positive is not None

    @property
    def positive_column(self) -> int:
        """Column of the class of interest; only binary spaces have one."""
        if self.positive is None:
            raise ValueError("the label space has no positive class: it is not binary")
        return self.names.index(self.positive)

    @property
    def noun(self) -> str:
        """What an answer is called in words for people."""
        return "label"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for burnish.json and the manifest."""
        return {
            "labels": list(self.names),
            "multi_label": self.multi_label,
            "positive": self.positive,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; the mapping may hold other keys too."""
        return cls(
            names=tuple(map(str, value["labels"])),
            multi_label=bool(value["multi_label"]),
            positive=value["positive"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSpace:
    """The answers of a task that writes: any text, of which a row may accept several."""

    asked: ClassVar[Asked] = "texts"

    @property
    def noun(self) -> str:
        """What an answer is called in words for people."""
        return "answer"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the manifest."""
        return {"texts": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSpace:
    """Of a task that learns texts as they are: nothing is answered, only found likely or not."""

    asked: ClassVar[Asked] = "nothing"

    @property
    def noun(self) -> str:
        """What a row is called in words for people."""
        return "text"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for the manifest."""
        return {"plain": True}


Space = LabelSpace | TextSpace | PlainSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """Rows that went into one stage for one split, and what became of them."""

    stage: str  # read, check, rules, select, split, limit, leaks, length, encode
    split: str  # train, tune, validation, test; `all` before the rows are split
    rows_in: int
    kept: int
    dropped: dict[str, int] = field(default_factory=dict)  # reason → rows
    moved: dict[str, int] = field(default_factory=dict)  # other split → rows handed to it
    rows_cut: int = 0  # kept, but shortened
    tokens_lost: int = 0  # by shortening

    def __post_init__(self) -> None:
        """Refuse an entry that loses a row without saying why."""
        told = self.kept + sum(self.dropped.values()) + sum(self.moved.values())
        if told != self.rows_in:
            raise ValueError(
                f"stage {self.stage}, split {self.split}: {self.rows_in} rows in, {told} told of"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric of one system on one whole split, with its 95 % interval."""

    system: str
    split: str
    metric: str
    value: float
    low: float  # 2.5 % point of the bootstrap distribution; nan where it has none
    high: float  # 97.5 % point
    n: int  # rows scored

    def to_json(self) -> dict[str, Any]:
        """Return the entry of `scores.json`."""
        return without_nan(asdict(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a data check noticed; a line of `findings.jsonl`."""

    code: str  # name of the check, as in recipe key `data.checks`
    severity: Severity
    message: str
    count: int  # rows concerned
    action: str  # what was done: ignore, warn, drop, error
    split: str | None = None
    file: str | None = None  # of the first row concerned
    row: int | None = None  # 1-based row in that file

    def to_json(self) -> dict[str, Any]:
        """Return the line of `findings.jsonl`."""
        return asdict(self)


def without_nan(told: dict[str, Any]) -> dict[str, Any]:
    """Return plain values with None for each that is no number, which JSON cannot say."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in told.items()}
