"""Near-duplicate search against exact similarities, and on shapes that break hashing."""

import random
from itertools import combinations, pairwise

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.dedupe import SIMILARITY, near_duplicate_clusters, with_clusters
from burnish.data.keys import CLUSTER, mixed, normalised, text_keys


def word_pairs(text: str) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return set(pairwise(words)) if len(words) > 1 else {(w,) for w in words}


def similarity(a: str, b: str) -> float:
    left, right = word_pairs(a), word_pairs(b)
    return len(left & right) / len(left | right)


def edited(rng: random.Random, text: str, changes: int) -> str:
    words = text.split()
    for _ in range(changes):
        words[rng.randrange(len(words))] = f"new{rng.randrange(10**6)}"
    return " ".join(words)


def test_pairs_found_are_those_an_exact_search_finds_but_for_a_few_at_the_edge() -> None:
    rng = random.Random(4)
    texts = [" ".join(f"w{rng.randrange(400)}" for _ in range(30)) for _ in range(150)]
    texts += [edited(rng, texts[n], 1 + n % 6) for n in range(150)]
    clusters = near_duplicate_clusters(pl.Series(texts))

    missed = wrong = close = 0
    for a, b in combinations(range(len(texts)), 2):
        exact, together = similarity(texts[a], texts[b]) >= SIMILARITY, clusters[a] == clusters[b]
        close += exact
        missed += exact and not together
        wrong += together and not exact
    assert close > 50
    assert wrong == 0
    assert missed <= close * 0.05


def test_punctuation_case_and_white_space_do_not_hide_a_copy() -> None:
    one = "We may end this agreement, at any time; and for any reason."
    two = "we MAY end   this agreement at any time and for any reason"
    clusters = near_duplicate_clusters(pl.Series([one, two, "something else entirely here"]))
    assert clusters[0] == clusters[1] != clusters[2]


def test_texts_without_words_are_near_duplicates_of_nothing() -> None:
    clusters = near_duplicate_clusters(pl.Series(["", None, "...", "!?", "word", "Word."]))
    assert len(set(clusters[:4].tolist())) == 4
    assert clusters[4] == clusters[5]


def test_no_texts_and_one_text_are_no_trouble() -> None:
    assert near_duplicate_clusters(pl.Series([], dtype=pl.String)).tolist() == []
    assert near_duplicate_clusters(pl.Series(["a b c"])).tolist() == [0]


def test_a_thousand_copies_of_one_text_are_one_cluster_without_a_million_pairs() -> None:
    texts = pl.Series(
        [f"the same long clause again and again and again number {n}" for n in range(1000)]
    )
    assert len(set(near_duplicate_clusters(texts).tolist())) == 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("abc ", max_size=12), max_size=30), st.randoms(use_true_random=False))
def test_the_cluster_of_a_text_does_not_depend_on_row_order(
    texts: list[str], shuffle: random.Random
) -> None:
    other = list(texts)
    shuffle.shuffle(other)

    def clusters(texts: list[str]) -> dict[str, int]:
        made = with_clusters({"train": pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)})})
        return dict(zip(texts, made["train"][CLUSTER].to_list(), strict=True))

    assert clusters(texts) == clusters(other)


@given(st.lists(st.text(max_size=20), max_size=20))
def test_equal_keys_mean_equal_normalised_texts(texts: list[str]) -> None:
    series = pl.Series(texts, dtype=pl.String)
    same = dict(zip(normalised(series), text_keys(series), strict=True))
    assert len(set(same.values())) == len(same)
    assert text_keys(series).to_list() == [same[t] for t in normalised(series)]


def test_keys_are_the_same_in_every_version() -> None:
    assert text_keys(pl.Series(["Hello  World ", "hello world"])).to_list() == KNOWN
    assert mixed(text_keys(pl.Series([""])).to_numpy(), 0).tolist() == MIXED


KNOWN = [5814608031911216775, 5814608031911216775]
MIXED = [5323092005331881792]
