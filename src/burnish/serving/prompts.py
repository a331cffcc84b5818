"""What is to be written, as tokens: a prompt as the task makes it, or as it is given."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.errors import RequestError
from burnish.serving.engine import Read
from burnish.serving.growing import Write
from burnish.tasks.base import Task
from burnish.tasks.encoded import Encoded
from burnish.tasks.plain_text import PlainTextTask
from burnish.tasks.writing import WritingTask

_FEW = 16  # tokens written where neither the request nor the task says how many

TOO_LONG = "context_length_exceeded"


@dataclass(frozen=True, slots=True)
class Prompt:
    """Tokens to go on from, and how many may follow."""

    tokens: NDArray[np.int32]  # shape (tokens,)
    limit: int


def read_prompt(
    asked: Write,
    task: Task,
    tokenizer: Any,
    *,
    room: int | None,
    encode: Callable[[str, Any], Encoded],
    number: int,
) -> Read:
    """Return what is to be written as tokens.

    Args:
        asked: a text, a conversation, or tokens.
        task: of a model that writes.
        tokenizer: the model's own.
        room: tokens that the model takes in all; None: any number.
        encode: makes the task's tokens of a text and perhaps a conversation.
        number: of the input in its request, from 1.

    Raises:
        RequestError: BN701, the model does not write, or prompt and answer are too long for it.
    """
    where = f"input number {number}"
    cut = 0
    if task.family == "causal-lm" and (asked.raw or asked.tokens is not None):
        tokens = _as_given(asked, tokenizer, where)
    elif isinstance(task, WritingTask) and asked.tokens is None:
        encoded = encode(asked.text, asked.turns)
        tokens, cut = encoded.inputs.row(0), encoded.tokens_lost
    else:
        raise _cannot(task)
    if asked.echo and task.family != "causal-lm":
        raise _cannot_echo(where)
    limit = _usual(asked, task) if asked.max_tokens is None else asked.max_tokens
    _check_room(len(tokens), limit if task.joins else 0, room, where)
    cost = len(tokens) + limit
    return Read(
        asked=asked, rows=Prompt(tokens, limit), tokens=len(tokens), cut_tokens=cut, cost=cost
    )


def _check_room(tokens: int, written: int, room: int | None, where: str) -> None:
    if room is None or tokens + written <= room:
        return
    err = RequestError(
        f"the prompt has {tokens} tokens and {written} are to be written; the model takes {room}",
        where=where,
        fix="shorten the prompt, or ask for fewer tokens with `max_tokens`",
    )
    err.kind = TOO_LONG
    raise err


def _as_given(asked: Write, tokenizer: Any, where: str) -> NDArray[np.int32]:
    if asked.tokens is None:
        found = np.array(tokenizer(asked.text, verbose=False)["input_ids"], np.int32)
        if not len(found):  # of white space alone, some tokenizers leave nothing
            raise RequestError(
                "the prompt has no tokens, so there is nothing to go on from",
                where=where,
                fix="give some text",
            )
        return found
    known = len(tokenizer)
    if not asked.tokens or not all(0 <= one < known for one in asked.tokens):
        raise RequestError(
            f"the tokens are not all between 0 and {known - 1}, or there are none",
            where=where,
            fix="make them with the tokenizer of this model, or send the text",
        )
    return np.array(asked.tokens, np.int32)


def _usual(asked: Write, task: Task) -> int:
    wanted = None if asked.raw else task.writing
    return wanted.max_new_tokens if wanted else _FEW


def _cannot_echo(where: str) -> RequestError:
    return RequestError(
        "the model reads one text and writes another, so there is no prompt that it goes on from",
        where=where,
        fix="leave `echo` out",
    )


def _cannot(task: Task) -> RequestError:
    if isinstance(task, PlainTextTask):
        return RequestError(
            "the model goes on with texts and was not taught to answer messages",
            where="the field `model` of the request",
            fix="use /v1/completions",
        )
    if isinstance(task, WritingTask):
        return RequestError(
            "the model reads texts, not tokens",
            where="the field `prompt` of the request",
            fix="send the text",
        )
    return RequestError(
        "the model does not write",
        where="the field `model` of the request",
        fix="use /v1/predict, or name a model that writes; /v1/info tells which",
    )
