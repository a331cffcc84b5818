"""Texts as tokens that know which word they are of, whole or in pieces.

A word is a run of letters and digits, or one other sign. Tokens that a tokenizer adds, such as
its marks of beginning and end, are of no word; and so are masks and tokens for what it does not
know, which nobody could foretell.

Called by `tasks.masked_lm`; `tokenizer` is a fast tokenizer of transformers throughout.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+|[^\w\s]")
NO_WORD = -1


@dataclass(frozen=True, slots=True)
class Read:
    """One text, or a piece of one."""

    tokens: NDArray[np.int32]  # shape (t,), marks of beginning and end included
    words: NDArray[np.int32]  # shape (t,), number of each token's word from 0; -1: of none
    front: int  # tokens of the beginning's mark
    back: int  # of the end's


def read_texts(texts: Sequence[str], tokenizer: Any, *, whole_words: bool) -> list[Read]:
    """Return the tokens of each text.

    Args:
        texts: n of them.
        tokenizer: adds its marks.
        whole_words: whether the tokens of a word share its number; else each has its own.
    """
    if not texts:
        return []
    found = tokenizer(list(texts), return_offsets_mapping=True, verbose=False)
    special = np.array(tokenizer.all_special_ids, np.int32)
    rows = zip(texts, found["input_ids"], found["offset_mapping"], strict=True)
    return [_read(*row, special, whole_words=whole_words) for row in rows]


def _read(
    text: str,
    ids: Sequence[int],
    spans: Sequence[tuple[int, int]],
    special: NDArray[np.int32],
    *,
    whole_words: bool,
) -> Read:
    tokens = np.array(ids, np.int32)
    ends = np.array(spans, np.int64).reshape(-1, 2)
    inside = np.flatnonzero(ends[:, 1] > ends[:, 0])
    words = np.full(len(tokens), NO_WORD, np.int64)
    words[inside] = _owners(text)[ends[inside, 1] - 1]
    words[np.isin(tokens, special)] = NO_WORD
    front = int(inside[0]) if len(inside) else len(tokens)
    back = len(tokens) - 1 - int(inside[-1]) if len(inside) else 0
    return Read(tokens, _numbered(words, whole_words=whole_words), front, back)


def _owners(text: str) -> NDArray[np.int64]:
    """Return which word each character is of, shape (characters,); -1 for white space."""
    owners = np.full(len(text), NO_WORD, np.int64)
    for number, match in enumerate(_WORD.finditer(text)):
        owners[match.start() : match.end()] = number
    return owners


def _numbered(words: NDArray[np.integer[Any]], *, whole_words: bool) -> NDArray[np.int32]:
    """Return words numbered from 0 without a gap, in order."""
    numbered = np.full(len(words), NO_WORD, np.int32)
    real = words >= 0
    if not whole_words:
        numbered[real] = np.arange(int(real.sum()))
    elif real.any():
        numbered[real] = np.unique(words[real], return_inverse=True)[1]
    return numbered


def pieces_of(text: Read, longest: int) -> Iterator[Read]:
    """Yield a text in pieces of at most `longest` tokens, each with the marks of a whole text.

    A piece ends between two words, unless a word alone is longer. Nothing is left out.
    """
    end = len(text.tokens) - text.back
    room = longest - text.front - text.back
    if len(text.tokens) <= longest or room < 1:
        yield text
        return
    start = text.front
    while start < end:
        stop = _break(text.words, start, min(start + room, end))
        parts = (slice(0, text.front), slice(start, stop), slice(end, None))
        tokens = np.concatenate([text.tokens[part] for part in parts])
        words = np.concatenate([text.words[part] for part in parts])
        yield Read(tokens, _numbered(words, whole_words=True), text.front, text.back)
        start = stop


def _break(words: NDArray[np.int32], start: int, stop: int) -> int:
    """Return the last place up to `stop` where a word begins; `stop` if that is at the start."""
    at = stop
    while at > start and at < len(words) and words[at] >= 0 and words[at] == words[at - 1]:
        at -= 1
    return at if at > start else stop
