"""Find near-duplicates: texts that share most of their word pairs.

MinHash signatures over word bigrams, locality-sensitive hashing to find candidates, and an
exact check of every candidate pair, all on whole arrays: a million texts of 200 characters
take seconds. Texts linked by such pairs form a cluster.

Called by `burnish.data.integrity` and by the split `cluster`.
Source: Broder 1997, "On the resemblance and containment of documents"; the banding is chapter
3 of Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets".
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from burnish.data.keys import CLUSTER, KEY, mixed, with_keys

# Share of distinct word pairs in common from which two texts are near-duplicates.
SIMILARITY = 0.75
# 10 bands of 4 find a pair at 0.75 with probability 1 - (1 - 0.75**4)**10 = 98 %, at 0.9 always.
_BANDS, _BAND_ROWS = 10, 4
_BATCH_ROWS = 20_000
_PAIR_BATCH = 200_000
_WORD = r"[^\p{L}\p{N}]+"

_HALF, _LOWER = np.uint64(32), np.uint64(2**32 - 1)

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]


def with_clusters(parts: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Return the parts with column CLUSTER, equal for near-duplicates within and across parts.

    A cluster's number is the smallest text key in it, so it does not depend on row order.
    Parts that all have the column come back unchanged.
    """
    if all(CLUSTER in frame.columns for frame in parts.values()):
        return parts
    keyed = {name: with_keys(frame) for name, frame in parts.items()}
    distinct = pl.concat([f.select(KEY, "text") for f in keyed.values()]).unique(KEY).sort(KEY)
    clusters = pl.Series(CLUSTER, near_duplicate_clusters(distinct["text"]))
    table = distinct.select(KEY, pl.col(KEY).min().over(clusters).alias(CLUSTER))
    bare = {name: frame.drop(CLUSTER, strict=False) for name, frame in keyed.items()}
    return {n: f.join(table, on=KEY, how="left", maintain_order="left") for n, f in bare.items()}


def near_duplicate_clusters(texts: pl.Series, *, similarity: float = SIMILARITY) -> I64:
    """Return a cluster number for each text, shape (n,), from 0; alone in it: no near-duplicate.

    Args:
        texts: n texts; null and wordless ones are alone.
        similarity: Jaccard similarity of word-pair sets from which a pair counts, in (0, 1].
    """
    close = _close_pairs(texts, similarity)
    if not len(close):
        return np.arange(texts.len())
    links = np.ones(len(close), dtype=np.int8)
    graph = coo_array((links, (close[:, 0], close[:, 1])), shape=(texts.len(), texts.len()))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def repeated(texts: pl.Series, *, similarity: float) -> I64:
    """Return for each text the earlier one that it repeats, shape (n,); -1: it is to be kept.

    A text is told to repeat only one that is kept itself, so nothing goes by way of a third text
    that is gone too.

    Args:
        texts: n texts; null and wordless ones are kept.
        similarity: Jaccard similarity of word-pair sets from which a pair counts, in (0, 1].
    """
    of = np.full(texts.len(), -1, np.int64)
    pairs = np.sort(_close_pairs(texts, similarity), axis=1)
    for first, second in pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))].tolist():
        if of[first] < 0 and of[second] < 0:
            of[second] = first
    return of


def resembles(texts: pl.Series, known: pl.Series, *, similarity: float) -> NDArray[np.bool_]:
    """Return whether each text equals or nearly repeats one of the known ones, shape (n,).

    Args:
        texts: n texts; null and wordless ones nearly repeat nothing.
        known: texts without null.
        similarity: Jaccard similarity of word-pair sets from which a pair counts, in (0, 1].
    """
    found = texts.is_in(known.implode()).fill_null(value=False).to_numpy().copy()
    # Known ones first: in a bucket each text is compared with the first.
    pairs = np.sort(_close_pairs(pl.concat([known, texts]), similarity), axis=1)
    crossing = (pairs[:, 0] < len(known)) & (pairs[:, 1] >= len(known))
    found[pairs[crossing, 1] - len(known)] = True
    return found


def _close_pairs(texts: pl.Series, similarity: float) -> I64:
    """Return the pairs of texts at least so similar, shape (m, 2)."""
    nothing = np.zeros((0, 2), np.int64)
    if texts.is_empty():
        return nothing
    index = _ShingleIndex(texts)
    found = [_candidates(np.concatenate([b[:, n] for b in index.bands])) for n in range(_BANDS)]
    pairs = _sorted_unique(np.concatenate(found))
    if not len(pairs):
        return nothing
    candidates = np.stack([pairs >> _HALF, pairs & _LOWER], axis=1).astype(np.int64)
    return candidates[index.similarities(candidates) >= similarity]


class _ShingleIndex:
    """Distinct word pairs of every text, and its MinHash signature band by band.

    `bands` are batches of shape (texts, bands): equal keys, candidate pair; 0 for no words.
    """

    def __init__(self, texts: pl.Series) -> None:
        starts = range(0, texts.len(), _BATCH_ROWS)
        # Polars and NumPy let other threads run while they work.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = list(pool.map(lambda start: _read(texts.slice(start, _BATCH_ROWS)), starts))
        shingles, counts, self.bands = zip(*read, strict=True)
        self._shingles = np.concatenate(shingles)
        self._starts = np.concatenate([[0], np.cumsum(np.concatenate(counts))])

    def similarities(self, pairs: I64) -> NDArray[np.float64]:
        """Return the exact Jaccard similarity of each pair, shape (m,); `pairs` is (m, 2)."""
        batches = range(0, len(pairs), _PAIR_BATCH)
        return np.concatenate([self._jaccard(pairs[s : s + _PAIR_BATCH]) for s in batches])

    def _jaccard(self, pairs: I64) -> NDArray[np.float64]:
        sizes = self._starts[pairs + 1] - self._starts[pairs]
        # Pair number in the upper half, shingle in the lower: what is equal in both is shared.
        sides = [self._numbered(pairs[:, side], sizes[:, side]) for side in (0, 1)]
        both = np.sort(np.concatenate(sides))
        shared = both[:-1][both[1:] == both[:-1]] >> _HALF
        common = np.bincount(shared.astype(np.int64), minlength=len(pairs))
        return np.asarray(common / (sizes.sum(axis=1) - common))

    def _numbered(self, texts: I64, sizes: I64) -> U64:
        numbers = np.repeat(np.arange(len(texts), dtype=np.uint64), sizes)
        places = np.arange(sizes.sum()) + np.repeat(
            self._starts[texts] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes
        )
        return np.asarray((numbers << _HALF) | self._shingles[places])


def _read(texts: pl.Series) -> tuple[NDArray[np.uint32], I64, U64]:
    """Return the shingles of a batch end to end, how many each text has, and its band keys."""
    numbers = np.arange(1, _BANDS * _BAND_ROWS + 1, dtype=np.uint64)
    shingles, sizes = _shingles(texts)
    bands = _band_keys(shingles, sizes, mixed(numbers, 7) | np.uint64(1))
    # 32 bits: halves the memory; a chance match moves a similarity by 1e-8.
    return (shingles >> _HALF).astype(np.uint32), sizes, bands


def _shingles(texts: pl.Series) -> tuple[U64, I64]:
    """Return the distinct word-pair hashes of each text end to end, and how many each has.

    A text of one word has that word; a text without words has none.
    """
    words = texts.fill_null("").str.to_lowercase().str.replace_all(_WORD, " ").str.strip_chars()
    lists = words.str.split(" ")
    rows = np.repeat(np.arange(texts.len()), lists.list.len().to_numpy())
    flat = lists.explode()
    some = (flat != "").to_numpy()
    hashes, rows = flat.hash(seed=1).to_numpy()[some], rows[some]
    with np.errstate(over="ignore"):
        pairs = mixed(hashes[:-1] * np.uint64(3) + hashes[1:], 1)
    inside = rows[:-1] == rows[1:]
    alone = np.bincount(rows, minlength=texts.len())[rows] == 1
    found = np.concatenate([pairs[inside], hashes[alone]])
    owner = np.concatenate([rows[:-1][inside], rows[alone]])
    return _distinct(found, owner, texts.len())


def _distinct(hashes: U64, owner: I64, texts: int) -> tuple[U64, I64]:
    # One sort of (text, upper hash bits): texts fit in 20 bits because a batch is 20,000.
    packed = _sorted_unique((owner.astype(np.uint64) << np.uint64(44)) | (hashes >> np.uint64(20)))
    owners = (packed >> np.uint64(44)).astype(np.int64)
    return packed << np.uint64(20), np.bincount(owners, minlength=texts)


def _sorted_unique(values: U64) -> U64:
    # numpy's own unique hashes integers, which is forty times slower here than a sort.
    ordered = np.sort(values)
    first = np.ones(len(ordered), dtype=np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return np.asarray(ordered[first])


def _band_keys(shingles: U64, sizes: I64, factors: U64) -> U64:
    """Return band keys, shape (texts, bands), of texts whose shingles lie end to end."""
    keys = np.zeros((len(sizes), _BANDS), dtype=np.uint64)
    some = np.flatnonzero(sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])[some]
    if not len(some):
        return keys
    for number, factor in enumerate(factors):
        with np.errstate(over="ignore"):
            lowest = np.minimum.reduceat(shingles * factor, starts)
        band = number // _BAND_ROWS
        keys[some, band] = mixed(keys[some, band] ^ lowest, 3) | np.uint64(1)
    return keys


def _candidates(keys: U64) -> U64:
    """Return pairs of texts in one bucket, shape (m,): first of it << 32 | other one.

    Each text is paired with its bucket's first only: a bucket of k costs k - 1 pairs, not k².
    """
    order = np.argsort(keys, kind="stable")
    order = order[keys[order] != 0]
    ordered = keys[order]
    opens = np.ones(len(order), dtype=np.bool_)
    opens[1:] = ordered[1:] != ordered[:-1]
    first = order[np.maximum.accumulate(np.where(opens, np.arange(len(order)), 0))]
    return np.asarray((first[~opens].astype(np.uint64) << _HALF) | order[~opens].astype(np.uint64))
