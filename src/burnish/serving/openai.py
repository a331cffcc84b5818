"""OpenAI's API over the models of the server: models, chat, completions, embeddings.

Without a temperature the likeliest token is written, as in the evaluation; OpenAI's own default
would answer otherwise than what was judged.
"""

import base64
import secrets
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter, Request

from burnish.serving.engine import Ask, Embed, Embedded
from burnish.serving.growing import Write, Written
from burnish.serving.models import Models, Served
from burnish.serving.openai_replies import (
    ChatChoice,
    ChatReply,
    CompletionReply,
    EmbeddingReply,
    ModelCard,
    ModelList,
    OpenAIError,
    ReplyMessage,
    TextChoice,
    TextLogprobs,
    Usage,
    Vector,
)
from burnish.serving.openai_requests import ChatRequest, CompletionRequest, EmbeddingRequest
from burnish.serving.schemas import ERRORS
from burnish.serving.streaming import Piece, abandon, pieces, streamed
from burnish.serving.visit import Visit, visit_at

_LEAST_TOP_P = 1e-9  # leaves the likeliest token; vLLM takes no 0
_ERRORS: dict[int | str, dict[str, Any]] = {
    status: told | {"model": OpenAIError} for status, told in ERRORS.items()
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


def routes(models: Models) -> APIRouter:
    """Return the routes below /v1."""
    router = APIRouter(prefix="/v1", tags=["openai"], responses=_ERRORS)
    _add_models(router, models)
    _add_writing(router, models)

    @router.post("/embeddings")
    async def embeddings(asked: EmbeddingRequest, request: Request) -> EmbeddingReply:
        """Return the mean of the vectors of each text's tokens, scaled to unit length."""
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        visit = visit_at(request)
        with models.use(asked.model) as served:
            visit.tell_model(served.facts, len(texts))
            visit.tell_text(input=asked.input)
            served.check_room(len(texts))
            asks = [Embed(text=text) for text in texts]
            found: list[Embedded] = await served.answer(asks, until=visit.until)
        tokens = sum(one.tokens for one in found)
        in_base64 = asked.encoding_format == "base64"
        return EmbeddingReply(
            data=[
                Vector(index=at, embedding=_base64(one) if in_base64 else list(one.vector))
                for at, one in enumerate(found)
            ],
            model=asked.model,
            usage=Usage(prompt_tokens=tokens, total_tokens=tokens),
            cut_tokens=sum(one.cut_tokens for one in found),
        )

    return router


def _add_models(router: APIRouter, models: Models) -> None:
    @router.get("/models")
    async def listed() -> ModelList:
        """Tell which models there are."""
        return ModelList(data=[_card(one) for one in models.served.values()])

    @router.get("/models/{model}")
    async def one(model: str) -> ModelCard:
        """Tell of one model."""
        with models.use(model) as served:
            return _card(served)


def _add_writing(router: APIRouter, models: Models) -> None:
    @router.post("/chat/completions", response_model=ChatReply, responses=_STREAM)
    async def chat(asked: ChatRequest, request: Request) -> Any:
        """Answer a conversation, whole or in pieces as they are written."""
        turns = [message.plain() for message in asked.messages]
        limit = asked.max_completion_tokens or asked.max_tokens
        write = _write(asked, Ask.of_turns(turns).text, limit, turns=turns)
        return await _Job(models, asked, [write], visit_at(request), is_chat=True).respond()

    @router.post("/completions", response_model=CompletionReply, responses=_STREAM)
    async def completions(asked: CompletionRequest, request: Request) -> Any:
        """Go on from texts, whole or in pieces as they are written."""
        prompts = asked.prompts
        with models.use(asked.model) as served:
            served.check_room(len(prompts))
        more = {"raw": True, "logprobs": asked.logprobs, "echo": bool(asked.echo)}
        writes = [
            _write(asked, one, asked.max_tokens, **more)
            if isinstance(one, str)
            else _write(asked, "", asked.max_tokens, tokens=one, **more)
            for one in prompts
        ]
        return await _Job(models, asked, writes, visit_at(request), is_chat=False).respond()


def _write(
    asked: ChatRequest | CompletionRequest, text: str, limit: int | None, **more: Any
) -> Write:
    return Write(
        text=text,
        max_tokens=limit,
        temperature=asked.temperature or 0.0,
        top_p=1.0 if asked.top_p is None else max(asked.top_p, _LEAST_TOP_P),
        seed=asked.seed,
        stop=asked.stops,
        **more,
    )


class _Job:
    """One request for texts, from its settings to its response."""

    def __init__(
        self,
        models: Models,
        asked: ChatRequest | CompletionRequest,
        writes: list[Write],
        visit: Visit,
        *,
        is_chat: bool,
    ) -> None:
        self._models, self._asked, self._writes, self._visit = models, asked, writes, visit
        self._is_chat = is_chat
        self._head: dict[str, Any] = {}
        self._begun: set[int] = set()
        self._written: list[Written] = []

    async def respond(self) -> Any:
        """Return the answer, or a stream of it."""
        if self._asked.stream:
            found = pieces(self._models, self._asked.model, self._writes, self._visit, self._note)
            return await streamed(found, self._chunks, self._last)
        try:
            with self._models.use(self._asked.model) as served:
                self._note(served)
                self._written = await served.answer(self._writes, until=self._visit.until)
        finally:
            abandon(self._writes)
        self._count()
        return self._whole()

    def _note(self, served: Served) -> None:
        self._visit.tell_model(served.facts, len(self._writes))
        self._visit.tell_text(input=[one.turns or one.tokens or one.text for one in self._writes])
        self._head = {
            "id": f"{'chatcmpl' if self._is_chat else 'cmpl'}-{secrets.token_hex(12)}",
            "created": int(time.time()),
            "model": self._asked.model,
            "system_fingerprint": served.facts.version,
        }

    def _count(self) -> None:
        usage = self._usage()
        self._visit.tell(tokens=usage.prompt_tokens, written_tokens=usage.completion_tokens)
        self._visit.tell_text(answers=[one.text for one in self._written])

    def _usage(self) -> Usage:
        read = sum(one.tokens for one in self._written)
        written = sum(one.written_tokens for one in self._written)
        return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)

    def _whole(self) -> ChatReply | CompletionReply:
        told = self._head | {
            "usage": self._usage(),
            "cut_tokens": sum(one.cut_tokens for one in self._written),
        }
        written = enumerate(self._written)
        if self._is_chat:
            replies = [
                ChatChoice(
                    index=at, message=ReplyMessage(content=one.text), finish_reason=one.finish
                )
                for at, one in written
            ]
            return ChatReply(choices=replies, **told)
        texts = [
            TextChoice(index=at, text=one.text, finish_reason=one.finish, logprobs=_logprobs(one))
            for at, one in written
        ]
        return CompletionReply(choices=texts, **told)

    def _chunks(self, piece: Piece) -> list[Any]:
        """Return what is sent for a piece of a text, or for its end."""
        number, told = piece
        sent = [] if number in self._begun else self._opening(number)
        if isinstance(told, str):
            return [*sent, self._chunk(number, told, None)]
        self._written.append(told)
        return [*sent, self._chunk(number, "", told.finish)]

    def _opening(self, number: int) -> list[Any]:
        self._begun.add(number)
        if not self._is_chat:
            return []
        first = {"role": "assistant", "content": ""}
        return [self._framed([{"index": number, "delta": first, "finish_reason": None}])]

    def _chunk(self, number: int, text: str, finish: str | None) -> Any:
        if not self._is_chat:
            choice = {"index": number, "text": text, "finish_reason": finish, "logprobs": None}
            return self._framed([choice])
        delta = {} if finish else {"content": text}
        return self._framed([{"index": number, "delta": delta, "finish_reason": finish}])

    def _last(self) -> list[Any]:
        self._count()
        options = self._asked.stream_options
        if not (options and options.include_usage):
            return []
        return [self._framed([]) | {"usage": self._usage().model_dump()}]

    def _framed(self, choices: list[Any]) -> dict[str, Any]:
        kind = "chat.completion.chunk" if self._is_chat else "text_completion"
        return self._head | {"object": kind, "choices": choices}


def _logprobs(told: Written) -> TextLogprobs | None:
    if not told.odds:
        return None
    return TextLogprobs(
        tokens=[one.text for one in told.odds],
        token_logprobs=[one.logprob for one in told.odds],
        top_logprobs=[dict(one.top) or None for one in told.odds],
        text_offset=list(told.offsets),
    )


def _card(served: Served) -> ModelCard:
    return ModelCard(id=served.facts.name, created=int(served.loaded_at))


def _base64(found: Embedded) -> str:
    numbers: Sequence[float] = found.vector
    return base64.b64encode(np.asarray(numbers, "<f4").tobytes()).decode("ascii")
