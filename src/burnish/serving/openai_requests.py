"""Requests of OpenAI's API, as far as they can be answered here.

Known fields that ask for nothing here (`user`, `metadata`, …) are taken and not heeded; known
fields that ask for what is not done (`tools`, `n` above 1, …) and unknown ones are
refused, so that nobody takes an answer for what it is not.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from burnish.serving.schemas import Asked, Text

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_MOST_STOPS = 16
_MOST_LOGPROBS = 20


def _only(*idle: Any) -> BeforeValidator:
    """Return a check that a field asks for nothing: it is one of these values."""

    def check(value: Any) -> Any:
        if value not in idle:
            raise ValueError("is not done by this server; leave it out")
        return value

    return BeforeValidator(check)


Nothing = Annotated[Any, _only(None, False, 0, [], {}, "none", "auto")]
One = Annotated[int | None, _only(None, 1)]
Unheeded = Any


class Part(Asked):
    """One part of a message; only texts are read."""

    model_config = _STRICT

    type: Literal["text"]
    text: Text


class ChatMessage(Asked):
    """One message."""

    model_config = _STRICT

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | Annotated[list[Part], Field(fail_fast=True)] | None = None
    name: Unheeded = None
    refusal: Nothing = None
    audio: Nothing = None
    tool_calls: Nothing = None
    function_call: Nothing = None
    annotations: Unheeded = None
    tool_call_id: Unheeded = None

    def plain(self) -> dict[str, str]:
        """Return role and text, as chat templates take them."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, list):
            return {"role": role, "content": "".join(part.text for part in self.content)}
        return {"role": role, "content": self.content or ""}


class StreamOptions(Asked):
    """What a stream tells besides the text."""

    model_config = _STRICT

    include_usage: bool = False
    include_obfuscation: Unheeded = None


class _WritingRequest(Asked):
    """What both ways of asking for a text have in common."""

    model_config = _STRICT

    model: str = Field(description="Name of a model, as GET /v1/models tells.")
    max_tokens: int | None = Field(None, ge=1, le=32_768)
    temperature: float | None = Field(
        None, ge=0, le=2, description="0, and none: the likeliest token, as in the evaluation."
    )
    top_p: float | None = Field(None, ge=0, le=1, description="0: the likeliest token.")
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Text | Annotated[list[Text], Field(max_length=_MOST_STOPS, fail_fast=True)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: One = None
    frequency_penalty: Nothing = None
    presence_penalty: Nothing = None
    logit_bias: Nothing = None
    user: Unheeded = None

    @property
    def stops(self) -> tuple[str, ...]:
        """The texts that end an answer."""
        given = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return tuple(one for one in given if one)


class ChatRequest(_WritingRequest):
    """A conversation to be answered."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "model": "support",
                    "messages": [{"role": "user", "content": "Where is my parcel?"}],
                }
            ]
        }
    )

    messages: Annotated[list[ChatMessage], Field(min_length=1, fail_fast=True)]
    max_completion_tokens: int | None = Field(None, ge=1, le=32_768)
    response_format: Annotated[Any, _only(None, {"type": "text"})] = None
    modalities: Annotated[Any, _only(None, ["text"])] = None
    logprobs: Nothing = None
    top_logprobs: Nothing = None
    tools: Nothing = None
    tool_choice: Nothing = None
    functions: Nothing = None
    function_call: Nothing = None
    audio: Nothing = None
    prediction: Unheeded = None
    web_search_options: Nothing = None
    moderation: Nothing = None
    parallel_tool_calls: Unheeded = None
    metadata: Unheeded = None
    store: Nothing = None
    service_tier: Unheeded = None
    reasoning_effort: Unheeded = None
    verbosity: Unheeded = None
    safety_identifier: Unheeded = None
    prompt_cache_key: Unheeded = None
    prompt_cache_options: Unheeded = None
    prompt_cache_retention: Unheeded = None


Tokens = Annotated[list[int], Field(min_length=1, fail_fast=True)]


class CompletionRequest(_WritingRequest):
    """Texts to go on from."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={"examples": [{"model": "support", "prompt": "Once upon a time"}]}
    )

    prompt: Text | Tokens | Annotated[list[Text | Tokens], Field(min_length=1, fail_fast=True)]
    max_tokens: int | None = Field(
        None, ge=0, le=32_768, description="0 only with `echo`: the prompt alone is told."
    )
    logprobs: int | None = Field(
        None,
        ge=0,
        le=_MOST_LOGPROBS,
        description="Tell how likely each token was, and so many of the likeliest there; not in a "
        "stream.",
    )
    echo: bool | None = Field(
        False, description="Tell the prompt before what follows it; not in a stream."
    )
    best_of: One = None
    suffix: Annotated[Any, _only(None, "")] = None

    @model_validator(mode="after")
    def _can_be_told(self) -> Self:
        if self.stream and (self.echo or self.logprobs is not None):
            raise ValueError("echo and logprobs are not told in a stream; leave out `stream`")
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens is 0 and echo is not set, so there is nothing to tell")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """Each prompt by itself."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if all(isinstance(one, int) for one in self.prompt):
            return [[one for one in self.prompt if isinstance(one, int)]]
        return [one for one in self.prompt if not isinstance(one, int)]


class EmbeddingRequest(Asked):
    """Texts whose vectors are wanted."""

    model_config = _STRICT | ConfigDict(
        json_schema_extra={"examples": [{"model": "tickets", "input": ["one text", "another"]}]}
    )

    model: str
    input: Text | Annotated[list[Text], Field(min_length=1, fail_fast=True)]
    encoding_format: Literal["float", "base64"] | None = "float"
    dimensions: Nothing = None
    user: Unheeded = None
