"""The native API's requests and responses, and what those of all APIs are built of.

A list is refused for the first thing in it that does not fit, and an object of very many fields for
their number: each fault is told by itself, and a megabyte holds a million.
"""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from burnish.signs import is_whole

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_MOST_FIELDS = 256  # more than any request has that fits
_CLAUSE = "We may close your account at any time without notice."


def _whole(text: str) -> str:
    if not is_whole(text):
        raise ValueError("holds half of a pair of surrogates, which is no character")
    return text


def _few(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > _MOST_FIELDS:
        raise ValueError(f"has {len(value)} fields; at most {_MOST_FIELDS} are read")
    return value


Text = Annotated[str, AfterValidator(_whole)]
Few = BeforeValidator(_few)  # of a dict: it has so many fields at most


class Asked(BaseModel):
    """An object that a client sends, or a part of one."""

    @model_validator(mode="before")
    @classmethod
    def _is_of_few_fields(cls, value: Any) -> Any:
        return _few(value)


class Message(Asked):
    """One message of a conversation."""

    model_config = _STRICT

    role: str = Field(pattern="^(system|user|assistant|tool)$", examples=["user"])
    content: Text


Input = Text | Annotated[list[Message], Field(fail_fast=True)]


class PredictRequest(Asked):
    """Inputs to be answered as in the evaluation."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {"input": _CLAUSE},
                {"input": ["one text", "another"], "model": "tickets"},
                {"input": "the [MASK] of the shoe", "top_k": 3},
                {"input": [[{"role": "user", "content": "Where is my parcel?"}]]},
            ]
        }
    )

    input: Text | Annotated[list[Input], Field(min_length=1, fail_fast=True)] = Field(
        description="One text, or a list of inputs; an input is a text, or a conversation as a "
        "list of messages."
    )
    model: str | None = Field(None, description="Name of a model; none: the first of the server.")
    top_k: int | None = Field(
        None, ge=1, le=100, description="Words for each mask; none: as the recipe says."
    )


class FillWord(BaseModel):
    """One word that could stand in the place of a mask."""

    word: str
    score: float = Field(description="Probability, 0 to 1.")
    text: str = Field(description="The text with it in that place.")


class Answer(BaseModel):
    """What the model says to one input; the fields are those of its task."""

    labels: list[str] | None = Field(None, description="Classification: the labels given.")
    scores: dict[str, float] | None = Field(
        None, description="Classification: the probability of every label."
    )
    abstains: bool | None = Field(
        None,
        description="Classification where the recipe asks for it: the answer is less sure than "
        "it must be, and a person should look.",
    )
    text: str | None = Field(None, description="Models that write: the answer.")
    complete: bool | None = Field(
        None, description="Models that write: it ended by itself, not by the limit of length."
    )
    fills: list[list[FillWord]] | None = Field(
        None, description="A text with masks: mask by mask, the likeliest word first."
    )
    log_likelihood: float | None = Field(
        None, description="A plain text: how likely the model finds it, in nats."
    )
    scored_tokens: int | None = Field(None, description="Tokens that likelihood is over.")
    tokens: int = Field(description="Tokens of the input as the model read it.")
    cut_tokens: int = Field(description="Tokens of the input left out because it is too long.")


class PredictResponse(BaseModel):
    """Answers in the order of the inputs, all of one version of one model."""

    model: str
    version: str
    task: str
    thresholds: dict[str, float] | None = Field(
        None, description="From which probability a label is given."
    )
    answers: list[Answer]


class ModelInfo(BaseModel):
    """What is served under one name."""

    name: str
    reference: str
    version: str
    task: str
    labels: list[str] | None
    multi_label: bool | None
    thresholds: dict[str, float] | None
    calibrated: bool | None = Field(
        description="Classification: probabilities were fitted to what came true on rows held out."
    )
    least_confidence: float | None = Field(
        description="Classification: below which probability of a whole answer it abstains."
    )
    max_tokens: int = Field(description="Longest input read at once.")
    too_long: str = Field(description="What becomes of longer inputs.")
    precision: str
    device: str
    parity: str | None = Field(description="How its answers compare with those that were judged.")
    loaded_at: str
    batch_tokens: int
    queued: int
    last_swap_failed: str | None = Field(description="Why its newest version is not served.")


class Info(BaseModel):
    """What a server serves, and its limits."""

    burnish: str
    models: list[ModelInfo]
    max_queue: int
    max_body_bytes: int
    deadline_s: float


class Problem(BaseModel):
    """What is wrong, where, and what to do."""

    code: str = Field(examples=["BN701"])
    message: str
    where: str
    fix: str


class ErrorResponse(BaseModel):
    """The one form of all errors."""

    error: Problem


_MEANINGS = {
    400: "The body is no JSON.",
    401: "The key is missing or not known.",
    404: "No model has that name.",
    408: "The body came too slowly.",
    413: "The body is too large.",
    422: "The request does not fit: a field, a value, or an input that cannot be read.",
    429: "The key asks too often; see Retry-After.",
    503: "Over capacity, or about to stop; see Retry-After.",
    504: "The answer did not come in time.",
}
STOPPING: dict[int | str, dict[str, Any]] = {  # what a probe may be answered
    503: {"description": "It is about to stop: send requests elsewhere."}
}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorResponse, "description": words} for status, words in _MEANINGS.items()
}
