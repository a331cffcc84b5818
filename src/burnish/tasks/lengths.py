"""How long inputs and answers may be: percentiles made numbers, and what is cut, counted.

Called by `tasks.writing`; `tokenizer` is a fast tokenizer of transformers throughout.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.data.conversation import Conversation
from burnish.tasks.encoded import Ragged

Limit = int | str  # tokens, or a percentile such as "p99"
Lost = NDArray[np.int64]  # shape (n,), tokens cut from each row


def plain_tokens(texts: list[str], tokenizer: Any) -> list[list[int]]:
    """Return the tokens of texts, without special ones."""
    if not texts:
        return []
    found: list[list[int]] = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
    return found


def known(limit: Limit) -> int:
    """Return a limit in tokens. Raises ValueError for a percentile that was not measured yet."""
    if isinstance(limit, str):
        raise ValueError(f"the length {limit} is a percentile of training rows; measure() first")
    return limit


def percentile_of(lengths: Sequence[int], asked: str) -> int:
    """Return a percentile of lengths as a whole number that a row really has; at least 1."""
    share = float(asked.removeprefix("p"))
    return max(1, int(np.percentile(lengths, share, method="higher"))) if lengths else 1


def cut_texts(texts: list[str], tokenizer: Any, limit: int) -> tuple[list[str], Lost]:
    """Return texts of at most `limit` tokens, and the tokens cut from the end of each, (n,)."""
    lost = np.zeros(len(texts), np.int64)
    if not texts:
        return texts, lost
    found = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    short = list(texts)
    for at, spans in enumerate(found["offset_mapping"]):
        if len(spans) > limit:
            stop = limit
            # A character of several tokens goes whole: with one of them all would come back.
            while stop and spans[stop][0] < spans[stop - 1][1]:
                stop -= 1
            short[at] = texts[at][: spans[stop - 1][1]] if stop else ""
            lost[at] = len(spans) - stop
    return short, lost


def message_tokens(conversations: Sequence[Conversation], tokenizer: Any) -> list[list[int]]:
    """Return how many tokens each message has, without the marks a template puts around it."""
    said = [message["content"] for turns in conversations for message in turns]
    lengths = iter([len(one) for one in plain_tokens(said, tokenizer)])
    return [[next(lengths) for _ in turns] for turns in conversations]


def cut_conversations(
    conversations: Sequence[Conversation], tokenizer: Any, limit: int
) -> tuple[list[Conversation], Lost]:
    """Return conversations of at most `limit` tokens, and the tokens cut from each, (n,).

    The oldest messages go, whole and up to one of a user; a system message stays, even one that
    alone is longer, and so does the last message, of which what is too much is cut from the end.
    """
    lost = np.zeros(len(conversations), np.int64)
    short = []
    for at, (turns, lengths) in enumerate(
        zip(conversations, message_tokens(conversations, tokenizer), strict=True)
    ):
        told = 1 if turns and turns[0]["role"] == "system" else 0
        start = told
        while start < len(turns) - 1 and (
            sum(lengths[:told]) + sum(lengths[start:]) > limit
            or (start > told and turns[start]["role"] != "user")
        ):
            lost[at] += lengths[start]
            start += 1
        kept = [*turns[:told], *turns[start:]]
        over = sum(lengths) - int(lost[at]) - limit
        if over > 0 and kept:
            room = max(1, lengths[-1] - over)
            (content,), (gone,) = cut_texts([kept[-1]["content"]], tokenizer, room)
            kept = [*kept[:-1], kept[-1] | {"content": content}]
            lost[at] += gone
        short.append(kept)
    return short, lost


def cut_answers(answers: Ragged, limit: int) -> Ragged:
    """Return answers of at most `limit` tokens, each with its end mark."""
    rows = [answers.row(at).tolist() for at in range(len(answers.lengths))]
    return Ragged.of([row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows])
