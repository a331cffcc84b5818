"""Recipe key `data.rules`: what must hold of every row, column by column."""

from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, model_validator

from burnish.recipe.languages import LanguageCode
from burnish.recipe.section import Section

Bound = Annotated[float, Field(ge=-1e300, le=1e300)]
Scalar = bool | int | float | str


class Rule(Section):
    """What rules have in common. A missing value breaks `non-null` alone."""

    kind: str = Field(description="The rule that must hold.")
    column: str | None = Field(None, description="Column that is read; null: the task's text.")
    action: Literal["warn", "drop", "error"] = Field(
        "error",
        description="What becomes of rows that break it. warn: report; drop: leave them out, "
        "counted in the ledger; error: stop before training.",
    )

    @property
    def name(self) -> str:
        """What findings and the ledger call it, such as `less-than:price`."""
        return f"{self.kind}:{self.column}" if self.column else self.kind


class NonNull(Rule):
    """A value is there."""

    kind: Literal["non-null"] = Field("non-null", description="The rule that must hold.")


class LessThan(Rule):
    """The value is below a bound."""

    kind: Literal["less-than"] = Field("less-than", description="The rule that must hold.")
    value: Bound = Field(description="The bound, in the column's unit; itself too large.")


class GreaterThan(Rule):
    """The value is above a bound."""

    kind: Literal["greater-than"] = Field("greater-than", description="The rule that must hold.")
    value: Bound = Field(description="The bound, in the column's unit; itself too small.")


class EqualTo(Rule):
    """The value is one that is known."""

    kind: Literal["equal-to"] = Field("equal-to", description="The rule that must hold.")
    value: Scalar = Field(description="The value that there must be.")


class InSet(Rule):
    """The value is one of some."""

    kind: Literal["in-set"] = Field("in-set", description="The rule that must hold.")
    values: Annotated[tuple[Scalar, ...], Field(min_length=1)] = Field(
        description="The values there may be."
    )


class Pattern(Rule):
    """A regular expression is found in the text."""

    kind: Literal["regex"] = Field("regex", description="The rule that must hold.")
    pattern: str = Field(
        min_length=1, description="Regular expression, in the syntax of Rust's regex."
    )


class Unique(Rule):
    """No value comes twice in one part of the data; the first of those that do is left alone."""

    kind: Literal["unique"] = Field("unique", description="The rule that must hold.")


class ZScore(Rule):
    """The value is not far from the mean of the training rows."""

    kind: Literal["z-score"] = Field("z-score", description="The rule that must hold.")
    most: float = Field(
        4.0, gt=0, le=1_000, description="Largest distance, in standard deviations."
    )


class LengthWithin(Rule):
    """The text is neither too short nor too long."""

    kind: Literal["length"] = Field("length", description="The rule that must hold.")
    least: int = Field(0, ge=0, description="Fewest of them, a count.")
    most: int | None = Field(None, ge=1, description="Most of them, a count; null: any number.")
    unit: Literal["characters", "words"] = Field("characters", description="What is counted.")

    @model_validator(mode="after")
    def _least_is_below_most(self) -> Self:
        if self.most is not None and self.least > self.most:
            raise ValueError(f"least ({self.least}) is above most ({self.most}); swap them")
        return self


class InLanguage(Rule):
    """The text is in one of some languages; one whose language cannot be told breaks no rule."""

    kind: Literal["language"] = Field("language", description="The rule that must hold.")
    languages: Annotated[tuple[LanguageCode, ...], Field(min_length=1)] = Field(
        description="The languages there may be, as ISO 639-1 codes such as `en`."
    )


RuleSection = Annotated[
    NonNull
    | LessThan
    | GreaterThan
    | EqualTo
    | InSet
    | Pattern
    | Unique
    | ZScore
    | LengthWithin
    | InLanguage,
    Discriminator("kind"),
]
