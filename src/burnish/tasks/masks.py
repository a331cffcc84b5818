"""Which words of texts are hidden: by lot in training, each in its turn in evaluation.

Arrays alone, so it is tested without a model. Called by `tasks.masked_lm`.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from burnish.tasks.encoded import Ragged

Flags = NDArray[np.bool_]
Whole = NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def by_lot(words: Ragged, share: float, rng: np.random.Generator) -> Flags:
    """Return which tokens are hidden: of each row a share of its words, at least one.

    Args:
        words: number of each token's word in its row; -1: of none, never hidden.
        share: in (0, 1).
        rng: is asked once a word.

    Returns:
        Shape (total tokens,).
    """
    counts = word_counts(words)
    ranks = _ranks(counts, rng.random(int(counts.sum())))
    hidden = np.maximum(1, np.round(share * counts))
    return _of_tokens(words, counts, ranks) < np.repeat(hidden, words.lengths)


def in_turn(tokens: Ragged, words: Ragged, share: float) -> tuple[Whole, Whole]:
    """Return in which turn each token is hidden, and how many turns each row takes.

    All words of a row have their turn, about a share of them at once. The order depends on the
    tokens of the row alone.

    Args:
        tokens: n rows.
        words: number of each token's word in its row; -1: of none.
        share: in (0, 1).

    Returns:
        Shape (total tokens,), -1 where never; and (n,), 0 where a row has no word.
    """
    counts = word_counts(words)
    ranks = _ranks(counts, _noise(tokens, counts))
    all_turns = np.minimum(counts, max(1, round(1 / share)))
    turns = ranks % np.maximum(1, np.repeat(all_turns, counts))
    return _of_tokens(words, counts, turns, absent=-1), all_turns


def word_counts(words: Ragged) -> Whole:
    """Return how many words each row has, shape (n,)."""
    counts = np.zeros(len(words.lengths), np.int64)
    np.maximum.at(counts, np.repeat(np.arange(len(counts)), words.lengths), words.tokens + 1)
    return counts


def _of_tokens(words: Ragged, counts: Whole, of_words: Whole, *, absent: int = 2**40) -> Whole:
    """Return what is told of words for each token; `absent` for those of no word."""
    first = np.repeat(np.cumsum(counts) - counts, words.lengths)
    inside = words.tokens >= 0
    found = np.full(len(words.tokens), absent, np.int64)
    found[inside] = of_words[first[inside] + words.tokens[inside]]
    return found


def _ranks(counts: Whole, keys: NDArray[np.float64] | NDArray[np.uint64]) -> Whole:
    """Return the place of each word in its row when the row is sorted by the keys."""
    rows = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((keys, rows))
    ranks = np.empty(len(keys), np.int64)
    ranks[order] = np.arange(len(keys)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks


def _noise(tokens: Ragged, counts: Whole) -> NDArray[np.uint64]:
    """Return a number for each word that depends on its row's tokens and its place (splitmix64)."""
    rows = (tokens.row(at).astype("<i4").tobytes() for at in range(len(counts)))
    seeds = [hashlib.blake2b(row, digest_size=8).digest() for row in rows]
    places = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    with np.errstate(over="ignore"):
        mixed: NDArray[np.uint64] = np.repeat(np.frombuffer(b"".join(seeds), "<u8"), counts)
        mixed = mixed + _GOLDEN * (places + 1).astype(np.uint64)
        for shift, factor in zip((30, 27), _MIX, strict=True):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * factor
        return np.asarray(mixed ^ (mixed >> np.uint64(31)))
