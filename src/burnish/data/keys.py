"""Keys by which texts are compared: equal key, same text.

Texts are compared lower-cased with white space collapsed, so that a copy that was wrapped or
capitalised differently still counts as a copy. The key is a 64-bit digest that is the same on
every machine and in every version, because splits are decided by it.

A frame carries its keys in private columns (`burnish:…`) from the first check to the last,
so that a million texts are digested once; `without_keys` takes them off.
"""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import polars as pl
from numpy.typing import NDArray

KEY = "burnish:key"  # UInt64, equal for equal normalised texts
CLUSTER = "burnish:cluster"  # UInt64, equal for near-duplicates; see `burnish.data.dedupe`
_BATCH_ROWS = 50_000


def normalised(texts: pl.Series) -> pl.Series:
    """Return texts lower-cased, white space collapsed to single spaces, ends stripped."""
    return texts.str.to_lowercase().str.replace_all(r"\s+", " ").str.strip_chars()


def is_filled(texts: pl.Series) -> pl.Series:
    """Return which texts are more than white space; null ones are not."""
    return (texts.str.strip_chars().str.len_chars() > 0).fill_null(value=False)


def text_keys(texts: pl.Series) -> pl.Series:
    """Return one UInt64 key a text; null texts count as empty ones.

    Two different texts share a key with probability 5e-20; among a million, 3e-8.
    """
    starts = range(0, max(1, texts.len()), _BATCH_ROWS)
    batches = (normalised(texts.slice(s, _BATCH_ROWS)).fill_null("").to_list() for s in starts)
    return pl.Series(KEY, np.concatenate([digests(batch) for batch in batches]))


def digests(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return a 64-bit digest of each text, shape (n,)."""
    joined = b"".join([blake2b(text.encode(), digest_size=8).digest() for text in texts])
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def with_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with column KEY; unchanged when it has it."""
    return frame if KEY in frame.columns else frame.with_columns(text_keys(frame["text"]))


def group_keys(keyed: pl.DataFrame) -> pl.Series:
    """Return a UInt64 key a group; a row without group stands with the copies of its text."""
    names = keyed["group"].unique().drop_nulls()
    table = pl.DataFrame({"group": names, "unit": digests(names)})
    joined = keyed.select("group", KEY).join(table, on="group", how="left", maintain_order="left")
    return joined.select(pl.coalesce("unit", KEY)).to_series()


def without_keys(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical frame again."""
    return frame.drop(KEY, CLUSTER, strict=False)


def mixed(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Return keys scattered by a seed, shape (n,): the order in which a split takes them.

    Source: splitmix64's finaliser (Steele et al. 2014); a bijection, so keys stay distinct.
    """
    with np.errstate(over="ignore"):
        z = keys + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)
