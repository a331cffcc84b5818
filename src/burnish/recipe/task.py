"""Recipe section `task`: what is asked of the model, one form for each kind of task."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from burnish.recipe.any_task import AnyTask
from burnish.recipe.classification import ClassificationTask
from burnish.recipe.section import Section, Share
from burnish.records import Asked

PLAIN_TEXT: Final = "causal-lm-text"
MASKED: Final = "masked-lm"
INPUT = "{input}"  # where a prompt template takes the row's input
_PERCENTILE = r"p(?:[5-9][0-9](?:\.[0-9]+)?|100)"


def _is_percentile(text: str) -> str:
    if not re.fullmatch(_PERCENTILE, text):
        raise ValueError(
            "write a number of tokens, or a percentile of the training rows from p50 to p100 "
            "such as p99 or p99.5"
        )
    return text


Percentile = Annotated[
    str,
    AfterValidator(_is_percentile),
    Field(json_schema_extra={"pattern": f"^{_PERCENTILE}$"}),
]
Length = Annotated[int, Field(ge=8, le=131_072)] | Percentile


def percentile(length: int | str) -> float | None:
    """Return the percentile in [50, 100] that a `Length` names; None where it is in tokens."""
    return float(length[1:]) if isinstance(length, str) else None


class Generation(Section):
    """How answers are written; always the likeliest words, never drawn by chance."""

    max_new_tokens: int | None = Field(
        None,
        ge=1,
        le=131_072,
        description="Longest answer written, in tokens; null: as `max_output_length`.",
    )
    beams: int = Field(
        1, ge=1, le=64, description="Answers followed side by side, a count; 1: greedy."
    )
    no_repeat_ngram: int = Field(
        0, ge=0, le=100, description="No run of so many tokens comes twice in an answer; 0: off."
    )
    length_penalty: float = Field(
        1.0,
        ge=-10,
        le=10,
        description="Power of its length by which a beam's score is divided: above 0 favours "
        "long answers, below 0 short ones; without effect on 1 beam.",
    )


class TextTask(AnyTask):
    """What tasks that answer with a text have in common."""

    asked: ClassVar[Asked] = "texts"

    kind: str = Field(description="The registered task.")
    max_input_length: Length = Field(
        "p99",
        description="Longest input kept whole, in tokens, or a percentile of the training rows' "
        "lengths such as p99.5; longer ones are cut, counted in the ledger and told.",
    )
    max_output_length: Length = Field(
        "p100",
        description="Longest answer, in tokens, the end mark included, or a percentile of the "
        "training rows' lengths; p100: the longest.",
    )
    long_answers: Literal["error", "drop", "cut"] = Field(
        "error",
        description="What becomes of a training row whose answer is longer than "
        "`max_output_length`. error: stop before training; drop and cut: counted in the ledger.",
    )
    generation: Generation = Field(Generation(), description="How answers are written.")


class CausalTask(TextTask):
    """Go on from a prompt with the answer (decoder-only models)."""

    default_rivals: ClassVar[tuple[str, ...]] = ("majority", "retrieval")

    kind: Literal["causal-lm"] = Field("causal-lm", description="The registered task.")
    prompt: str | None = Field(
        None,
        description="Plain template with {input} where the row's input goes, once; null: the "
        "model's chat template.",
    )
    system: str | None = Field(
        None, description="System message of the chat template; only where `prompt` is null."
    )

    @model_validator(mode="after")
    def _prompt_takes_the_input(self) -> Self:
        if self.prompt is None:
            return self
        if (times := self.prompt.count(INPUT)) != 1:
            raise ValueError(
                f"prompt ({self.prompt[:40]!r}) holds {INPUT} {times} times, not once; "
                f"'Question: {INPUT}\\nAnswer:' would do"
            )
        if self.system is not None:
            raise ValueError(
                "prompt and system are both set, but only a chat template has a system message; "
                "`prompt: null` or `system: null` would do"
            )
        return self


class ReadingTask(AnyTask):
    """What tasks that learn plain texts have in common."""

    asked: ClassVar[Asked] = "nothing"
    default_rivals: ClassVar[tuple[str, ...]] = ()

    kind: str = Field(description="The registered task.")
    max_length: Length = Field(
        "p99",
        description="Longest piece that is read at once, in tokens, or a percentile of the "
        "training texts' lengths; longer texts are read in several pieces, and nothing is cut.",
    )


class PlainTextTask(ReadingTask):
    """Continued pre-training of a decoder: every token of plain texts is learned."""

    kind: Literal["causal-lm-text"] = Field(PLAIN_TEXT, description="The registered task.")


class Masking(Section):
    """Which words of a training text are hidden, drawn anew in each epoch."""

    share: float = Field(
        0.15,
        gt=0,
        le=0.5,
        description="Share of a text's words that is hidden at once, at least "
        "one word; also in evaluation, where in turn each word is hidden once.",
    )
    whole_words: bool = Field(
        True, description="Hide all tokens of a word together; else each token is a word."
    )
    random: Share = Field(
        0.1, description="Share of the hidden tokens that a random one stands for, in training."
    )
    kept: Share = Field(
        0.1, description="Share of the hidden tokens that stay to be seen, in training."
    )

    @model_validator(mode="after")
    def _some_are_masked(self) -> Self:
        if self.random + self.kept >= 1:
            raise ValueError(
                f"random ({self.random}) and kept ({self.kept}) leave no token to mask; "
                "`random: 0.1` and `kept: 0.1` would do"
            )
        return self


class NewHead(Section):
    """How the output layer is trained first, of an encoder that comes without one."""

    epochs: float = Field(
        2.0, gt=0, le=1000, description="Epochs in which all else stands still, in epochs."
    )
    learning_rate: float = Field(
        2e-3, gt=0, le=1, description="Its largest step size, a factor on the gradient."
    )


class MaskedTask(ReadingTask):
    """Foretell hidden words of plain texts (encoders)."""

    kind: Literal["masked-lm"] = Field(MASKED, description="The registered task.")
    masking: Masking = Field(Masking(), description="What is hidden.")
    new_head: NewHead = Field(
        NewHead(), description="The output layer of an encoder that comes without one."
    )
    top_k: int = Field(
        5, ge=1, le=100, description="Words told for each mask of a text to be filled, a count."
    )


class Seq2SeqTask(TextTask):
    """Turn one text into another (encoder-decoder models)."""

    default_rivals: ClassVar[tuple[str, ...]] = ("majority", "lead", "retrieval")

    kind: Literal["seq2seq"] = Field("seq2seq", description="The registered task.")
    prefix: str = Field(
        "", description="Put before every input, such as `summarize: ` for T5 models."
    )


def _kind(value: Any) -> str | None:
    """Return the kind of a `task` section as written; one that names none is a classifier's."""
    if isinstance(value, Mapping):
        value = value.get("kind", "text-classification")
    else:
        value = getattr(value, "kind", None)
    return value if isinstance(value, str) else None


TaskSection = Annotated[
    Annotated[ClassificationTask, Tag("text-classification")]
    | Annotated[CausalTask, Tag("causal-lm")]
    | Annotated[PlainTextTask, Tag(PLAIN_TEXT)]
    | Annotated[MaskedTask, Tag(MASKED)]
    | Annotated[Seq2SeqTask, Tag("seq2seq")],
    Discriminator(_kind),
]
