"""How friendly a text is, by signed words: positive ones, negative ones, and what turns them.

A word counts 1 or −1. After a negation, up to three words on in the same clause, it counts the
other way round, and after an intensifier half as much again. The mean of the words that count
is cut off at −1 and 1. It is coarse: irony, comparisons, and what the lists lack are missed. What
it is for is to keep words such as "unfashionable" out of rows that shall praise.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import polars as pl
import yaml

_BEFORE = 3  # words in front of one that may turn it
_STRONGER = 1.5
_PIECE = r"[\pL][\pL'’]*|[.!?;:]"  # a word, or what ends a clause


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words by what they do; without apostrophes, in lower case."""

    positive: list[str]
    negative: list[str]
    negations: list[str]
    intensifiers: list[str]
    ends: list[str]  # of clauses, besides punctuation


@cache
def lexicon() -> Lexicon:
    """Return the lists of this package."""
    text = files("burnish.data.signals").joinpath("lexicon.yaml").read_text("utf-8")
    return Lexicon(**{name: words.split() for name, words in yaml.safe_load(text).items()})


def sentiment_of(texts: pl.Series) -> pl.Series:
    """Return the mean of the signed words of each text, in [-1, 1]; 0 without one, null of null."""
    signed = pl.when(_turned()).then(-pl.col("sign")).otherwise(pl.col("sign")) * _weight()
    rows = (
        _pieces(texts)
        .with_columns(signed=signed)
        .group_by("row")
        .agg(total=pl.col("signed").sum(), count=(pl.col("sign") != 0).sum())
        .sort("row")
        .select(mean=(pl.col("total") / pl.col("count").clip(1)).clip(-1.0, 1.0))
        .collect()
    )
    return pl.select(pl.when(texts.is_not_null()).then(rows["mean"])).to_series()


def _pieces(texts: pl.Series) -> pl.LazyFrame:
    """Return one line a word or end of a clause: row, clause, sign, and whether it turns others."""
    known, word = lexicon(), pl.col("word")
    ends = word.str.contains(r"^[.!?;:]$") | word.is_in(known.ends)
    return (
        pl.LazyFrame({"row": pl.int_range(len(texts), eager=True), "text": texts})
        .select("row", word=pl.col("text").str.to_lowercase().str.extract_all(_PIECE))
        .explode("word", empty_as_null=True, keep_nulls=True)
        .with_columns(word=word.str.replace_all("['’]", ""))
        .with_columns(
            clause=ends.fill_null(value=False).cum_sum(),
            sign=word.is_in(known.positive).cast(pl.Int8)
            - word.is_in(known.negative).cast(pl.Int8),
            turns=word.is_in(known.negations),
            stronger=word.is_in(known.intensifiers),
        )
    )


def _before(column: str, by: int) -> pl.Expr:
    """Return a flag of the word that stands `by` words before, in the same clause."""
    return pl.col(column).shift(by).over("row", "clause").fill_null(value=False)


def _turned() -> pl.Expr:
    """Return whether an odd number of negations stands before a word."""
    before = [_before("turns", by).cast(pl.Int8) for by in range(1, _BEFORE + 1)]
    return pl.sum_horizontal(before) % 2 == 1


def _weight() -> pl.Expr:
    return pl.when(_before("stronger", 1)).then(_STRONGER).otherwise(1.0)
