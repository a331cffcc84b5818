"""Which words count: a text is asked about again and again, each time with one part left out.

The change of a probability by leaving a word out is what a reader can check by hand. It says
nothing of words that count only together: with one of two such words left, little may change.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from burnish.errors import RequestError

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Part:
    """Some words of a text, and what comes of them."""

    start: int  # in characters
    end: int
    change: float  # of the probability, -1 to 1; positive: the part speaks for the label


def parts_of(text: str, *, most: int) -> list[tuple[int, int]]:
    """Return where the words of a text begin and end, in characters; of a long text, of groups.

    Args:
        text: any.
        most: parts; a text of more words is divided into groups of as few as that allows.

    Raises:
        RequestError: BN701, there are fewer than two words, so that nothing would be left.
    """
    words = [found.span() for found in _WORD.finditer(text)]
    if len(words) < 2:  # noqa: PLR2004
        raise RequestError(
            "a text of one word has no words that count more than others",
            where="the text",
            fix="give at least two words",
        )
    size = ceil(len(words) / most)
    groups = [words[at : at + size] for at in range(0, len(words), size)]
    return [(group[0][0], group[-1][1]) for group in groups]


def without(text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """Return the text once for each span, without it."""
    return [text[:start] + text[end:] for start, end in spans]
