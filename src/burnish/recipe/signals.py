"""Recipe key `data.signals`: what is true, or how much, of each row; `data.select` joins them."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from burnish.recipe.section import Section

_Words = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]


class Reads(Section):
    """A signal that reads the texts of one column."""

    column: str | None = Field(None, description="Column that is read; null: the task's text.")


class Contains(Reads):
    """Whether any of some words or phrases stands in the text, whole."""

    kind: Literal["contains"] = Field("contains", description="The ready signal.")
    words: _Words = Field(description="Words or phrases; one is enough.")
    ignore_case: bool = Field(True, description="Whether small and capital letters are alike.")


class Matches(Reads):
    """Whether a regular expression is found in the text."""

    kind: Literal["matches"] = Field("matches", description="The ready signal.")
    pattern: str = Field(
        min_length=1,
        description="Regular expression, in the syntax of Rust's regex: no look-around.",
    )


class Length(Reads):
    """How long the text is, a number."""

    kind: Literal["length"] = Field("length", description="The ready signal.")
    unit: Literal["characters", "words"] = Field(
        "words", description="What is counted; words are parted by white space."
    )


class Label(Section):
    """Whether the row has any of some labels."""

    kind: Literal["label"] = Field("label", description="The ready signal.")
    labels: _Words = Field(description="Names of labels; one is enough.")


class Value(Section):
    """A column's own value, to be compared in the formula."""

    kind: Literal["value"] = Field("value", description="The ready signal.")
    column: str = Field(min_length=1, description="Column that is read.")


class OneOf(Section):
    """Whether a column's value is one of some."""

    kind: Literal["one-of"] = Field("one-of", description="The ready signal.")
    column: str = Field(min_length=1, description="Column that is read, as text.")
    values: _Words = Field(description="Values; one is enough.")


class Sentiment(Reads):
    """How friendly the text is by a list of English words, a number in [-1, 1]."""

    kind: Literal["sentiment"] = Field("sentiment", description="The ready signal.")


class Personal(Reads):
    """Whether personal data stands in the text."""

    kind: Literal["personal"] = Field("personal", description="The ready signal.")
    kinds: tuple[Literal["email", "phone", "card", "iban", "ip"], ...] = Field(
        (), description="What to look for; empty: all of them."
    )


SignalSection = Annotated[
    Contains | Matches | Length | Label | Value | OneOf | Sentiment | Personal,
    Discriminator("kind"),
]
