"""Replies of OpenAI's API, and its errors.

What OpenAI has no field for is told in one of ours: `cut_tokens`, what of the input was left out.
"""

from typing import Literal

from pydantic import BaseModel, Field


class Usage(BaseModel):
    """Tokens read and written."""

    prompt_tokens: int
    completion_tokens: int = 0
    total_tokens: int


class ReplyMessage(BaseModel):
    """What the model says."""

    role: Literal["assistant"] = "assistant"
    content: str
    refusal: None = None


class ChatChoice(BaseModel):
    """One answer."""

    index: int
    message: ReplyMessage
    finish_reason: Literal["stop", "length"]
    logprobs: None = None


class TextLogprobs(BaseModel):
    """How likely each token of a text was; lists of the same length."""

    tokens: list[str]
    token_logprobs: list[float | None] = Field(
        description="In nats; null for the first token of a prompt, which follows nothing."
    )
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int] = Field(
        description="Where in the text each token begins, in characters; the parts of a character "
        "all begin where it does."
    )


class TextChoice(BaseModel):
    """One text."""

    index: int
    text: str
    finish_reason: Literal["stop", "length"]
    logprobs: TextLogprobs | None = None


class _Reply(BaseModel):
    id: str
    created: int
    model: str
    system_fingerprint: str = Field(description="Version of the model.")
    usage: Usage
    cut_tokens: int = Field(0, description="Tokens of the input left out because it is too long.")


class ChatReply(_Reply):
    """The answer to a conversation."""

    object: Literal["chat.completion"] = "chat.completion"
    choices: list[ChatChoice]


class CompletionReply(_Reply):
    """What follows the prompts."""

    object: Literal["text_completion"] = "text_completion"
    choices: list[TextChoice]


class Vector(BaseModel):
    """The vector of one text, of unit length."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="Numbers, or float32 ones in base64.")


class EmbeddingReply(BaseModel):
    """Vectors in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Vector]
    model: str
    usage: Usage
    cut_tokens: int = 0


class ModelCard(BaseModel):
    """One model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "burnish"


class ModelList(BaseModel):
    """All models of the server."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class OpenAIProblem(BaseModel):
    """What is wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """The form of OpenAI's errors."""

    error: OpenAIProblem
