"""How long inputs and answers may be: percentiles made numbers, and what is cut, counted.

Called by `tasks.writing`; `tokenizer` is a fast tokenizer of transformers throughout.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.tasks.base import Ragged

Limit = int | str  # tokens, or a percentile such as "p99"


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


def cut_texts(texts: list[str], tokenizer: Any, limit: int) -> tuple[list[str], NDArray[np.int64]]:
    """Return texts of at most `limit` tokens, and the tokens cut from the end of each, (n,)."""
    lost = np.zeros(len(texts), np.int64)
    if not texts:
        return texts, lost
    found = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    short = list(texts)
    for at, spans in enumerate(found["offset_mapping"]):
        if len(spans) > limit:
            short[at] = texts[at][: spans[limit - 1][1]]
            lost[at] = len(spans) - limit
    return short, lost


def cut_answers(answers: Ragged, limit: int) -> Ragged:
    """Return answers of at most `limit` tokens, each with its end mark."""
    rows = [answers.row(at).tolist() for at in range(len(answers.lengths))]
    return Ragged.of([row if len(row) <= limit else [*row[: limit - 1], row[-1]] for row in rows])
