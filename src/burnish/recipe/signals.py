"""Recipe key `data.signals`: what is true, or how much, of each row; `data.select` joins them."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field

from burnish.recipe.section import Section

# A small encoder made for comparing sentences; comes with a starter package.
SIMILARITY_MODEL = "sentence-transformers/all-MiniLM-L6-v2"

_System = Annotated[str, Field(min_length=1)]
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
    unit: Literal["characters", "words", "tokens"] = Field(
        "words",
        description="What is counted; words are parted by white space, tokens are those of the "
        "recipe's model.",
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


class Language(Reads):
    """The text's language as an ISO 639-1 code, to be compared: `lang == "en"`; null: unknown."""

    kind: Literal["language"] = Field("language", description="The ready signal.")


class Personal(Reads):
    """Whether personal data stands in the text."""

    kind: Literal["personal"] = Field("personal", description="The ready signal.")
    kinds: tuple[Literal["email", "phone", "card", "iban", "ip"], ...] = Field(
        (), description="What to look for; empty: all of them."
    )


class NearDuplicate(Reads):
    """Whether the text nearly repeats one of a file, such as rows that were used before."""

    kind: Literal["near-duplicate"] = Field("near-duplicate", description="The ready signal.")
    of: str = Field(min_length=1, description="File of texts, in any format that is read.")
    of_column: str = Field("text", min_length=1, description="Column of that file.")
    similarity: float = Field(
        0.8,
        ge=0.7,
        le=1,
        description="Share of word pairs in common from which a text repeats another.",
    )


class Similar(Reads):
    """How like an example the text is by an encoder: the largest cosine, in [-1, 1]."""

    kind: Literal["similar"] = Field("similar", description="The ready signal.")
    to: _Words = Field(description="Examples, whole texts; the likest counts.")
    model: str = Field(
        SIMILARITY_MODEL, min_length=1, description="Encoder: hub id, folder, or models:/… URI."
    )


class Certainty(Section):
    """How sure a classifier is of its answer, a number."""

    kind: Literal["certainty"] = Field("certainty", description="The ready signal.")
    system: str = Field(
        min_length=1, description="Run folder or other model; or a file of predictions, .jsonl."
    )
    measure: Literal["confidence", "entropy"] = Field(
        "confidence",
        description="confidence: probability of the answer, of its least sure label; entropy: in "
        "nats, a mean over labels where a row may have several.",
    )


class Disagreement(Section):
    """Whether two systems answer differently."""

    kind: Literal["disagreement"] = Field("disagreement", description="The ready signal.")
    systems: tuple[_System, _System] = Field(
        description="Two run folders or other models, or files of predictions, .jsonl."
    )


SignalSection = Annotated[
    Contains
    | Matches
    | Length
    | Label
    | Value
    | OneOf
    | Sentiment
    | Language
    | Personal
    | NearDuplicate
    | Similar
    | Certainty
    | Disagreement,
    Discriminator("kind"),
]
