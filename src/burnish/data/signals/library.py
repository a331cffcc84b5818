"""Ready signals: words, patterns, lengths, labels, columns. Each is an expression of Polars.

All take the column they read, and are null where that is null.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import polars as pl

from burnish.data.columns import as_texts
from burnish.data.dedupe import SIMILARITY, resembles
from burnish.data.language import languages_of
from burnish.data.named_columns import Unit, length_of
from burnish.data.readers import read_file
from burnish.data.signals.personal import FINDERS, Personal, found_in
from burnish.data.signals.sentiment import sentiment_of
from burnish.data.signals.signal import Signal
from burnish.data.table import DataFile, Kind
from burnish.errors import DataNotFoundError, SignalError
from burnish.files import path_errors

# A word ends where a letter, digit or underscore does not go on. Written out, because the regular
# expressions of Polars know no look-around, and their \b is slow where a text is not ASCII.
_EDGES = (r"(?:^|[^\pL\pN_])", r"(?:$|[^\pL\pN_])")


def contains(
    name: str, words: Sequence[str], *, column: str = "text", ignore_case: bool = True
) -> Signal:
    """Return whether any of some words or phrases stands in a text, whole.

    "fashionable" does not stand in "unfashionable".
    """
    if not words or not all(word.strip() for word in words):
        raise SignalError(
            "it has no words, or an empty one",
            where=f"signal `{name}`",
            fix="list the words to look for",
        )
    # The longest first, so that of two that begin alike the whole one is found.
    longest = sorted({word.strip() for word in words}, key=lambda word: (-len(word), word))
    either = "|".join(_escaped(word) for word in longest)
    pattern = f"{'(?i)' if ignore_case else ''}{_EDGES[0]}(?:{either}){_EDGES[1]}"
    key = ("contains", tuple(longest), column, ignore_case)
    return Signal(name, pl.col(column).str.contains(pattern), key=key)


def _escaped(word: str) -> str:
    """Return a word as a pattern; white space in it may be of any kind and length."""
    return r"\s+".join(re.escape(part) for part in word.split())


def matches(name: str, pattern: str, *, column: str = "text") -> Signal:
    """Return whether a regular expression, in the syntax of Rust's `regex`, is found in a text.

    Raises:
        SignalError: BN209, the pattern is none.
    """
    expression = pl.col(column).str.contains(pattern)
    try:
        pl.DataFrame({column: [""]}).select(expression)
    except pl.exceptions.ComputeError as err:
        raise SignalError(
            f"{pattern!r} is no pattern: {' '.join(str(err).split())}",
            where=f"signal `{name}`",
            fix="correct it; look-around and back-references are not known here",
        ) from err
    return Signal(name, expression, key=("matches", pattern, column))


def length(name: str, *, unit: Unit = "words", column: str = "text") -> Signal:
    """Return how long a text is; words are what white space parts."""
    measured = length_of(pl.col(column), unit).cast(pl.Int64)
    return Signal(name, measured, key=("length", unit, column))


def label_is(name: str, labels: Sequence[str], *, column: str = "labels") -> Signal:
    """Return whether a row has any of some labels; the column holds lists of them."""
    wanted = sorted(set(labels))
    has_any = pl.any_horizontal(pl.col(column).list.contains(label) for label in wanted)
    return Signal(name, has_any, key=("label", tuple(wanted), column))


def value_of(name: str, *, column: str) -> Signal:
    """Return a column's own values, to be compared in a formula."""
    return Signal(name, pl.col(column), key=("value", column))


def one_of(name: str, values: Sequence[str], *, column: str) -> Signal:
    """Return whether a column's value, as text, is one of some."""
    wanted = sorted(set(values))
    texts = pl.col(column).map_batches(as_texts, return_dtype=pl.String)
    return Signal(name, texts.is_in(wanted), key=("one-of", tuple(wanted), column))


def sentiment(name: str, *, column: str = "text") -> Signal:
    """Return how friendly a text is, in [-1, 1]: see `sentiment.sentiment_of`; 0 without a word."""

    def measure(inputs: Mapping[str, pl.Series], *_: object) -> pl.Series:
        return sentiment_of(inputs[column])

    return Signal(name, measure, key=("sentiment", column))


def language(name: str, *, column: str = "text") -> Signal:
    """Return the ISO 639-1 code of a text's language; null where it cannot be told."""

    def measure(inputs: Mapping[str, pl.Series], *_: object) -> pl.Series:
        return languages_of(inputs[column])

    return Signal(name, measure, key=("language", column))


def personal(name: str, kinds: Sequence[Personal] = (), *, column: str = "text") -> Signal:
    """Return whether personal data stands in a text; see `personal`. No kinds: all of them."""
    wanted = tuple(sorted(set(kinds or FINDERS)))

    def measure(inputs: Mapping[str, pl.Series], *_: object) -> pl.Series:
        return found_in(inputs[column], wanted)

    return Signal(name, measure, key=("personal", wanted, column))


def near_duplicate(
    name: str,
    of: str,
    *,
    of_column: str = "text",
    similarity: float = SIMILARITY,
    column: str = "text",
) -> Signal:
    """Return whether a text nearly repeats one of a file; see `dedupe.resembles`.

    The file is read when the first rows are, by the readers' rules and with their errors.
    """

    @cache
    def known() -> pl.Series:
        fix = "give the path of a data file in `of`"
        with path_errors(DataNotFoundError, where=f"signal `{name}` ({of})", fix=fix):
            path = Path(of).expanduser()
        table = read_file(DataFile(path=path, columns={of_column: Kind.TEXT}))
        return table.frame[of_column].drop_nulls().unique(maintain_order=True)

    def measure(inputs: Mapping[str, pl.Series], *_: object) -> pl.Series:
        texts = inputs[column]
        found = pl.Series(resembles(texts, known(), similarity=similarity))
        return pl.select(pl.when(texts.is_not_null()).then(found)).to_series()

    return Signal(name, measure, key=("near-duplicate", of, of_column, similarity, column))
