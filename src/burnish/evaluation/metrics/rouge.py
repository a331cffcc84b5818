"""ROUGE-1, -2, -L and -Lsum: what answer and reference share, as F of words; 0 to 1.

Words are those of the `rouge-score` library with its stemmer on, and the values are its own, as
the summarisation script of Hugging Face reports them; tests hold both against each other. Only
the longest common subsequence is found in another way: with whole rows of the table as the bits
of one number (Hyyrö 2004), which is some hundred times as fast on long answers. For Lsum a text
is cut at line breaks and at the ends of sentences. Of several references the best F counts.
Source: Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", sections 2 and 3.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.pairs import of_mean
from burnish.evaluation.sentences import sentences
from burnish.evaluation.texts import Texts

Tokens = tuple[str, ...]

_TEXTS_KEPT = 2048  # whose words are remembered: each is met by several metrics and systems


@cache
def _stemming() -> Any:
    from rouge_score.tokenizers import DefaultTokenizer

    return DefaultTokenizer(use_stemmer=True)


@lru_cache(maxsize=200_000)
def _stem(word: str) -> Tokens:
    """Return the stem of one word as the library's tokens: one or, of no word, none."""
    return tuple(_stemming().tokenize(word))


def _words(text: str) -> Tokens:
    """Return the words of a text: lower case, letters a to z and digits only, stemmed."""
    from rouge_score.tokenize import tokenize

    return tuple(stem for word in tokenize(text, None) for stem in _stem(word))


tokens = lru_cache(maxsize=_TEXTS_KEPT)(_words)


def _f(shared: int, answer: int, reference: int) -> float:
    """Return F of precision and recall, from numbers of words."""
    if not shared:
        return 0.0
    precision, recall = shared / answer, shared / reference
    return 2 * precision * recall / (precision + recall)


def _ngrams(words: Tokens, order: int) -> Counter[Tokens]:
    return Counter(words[i : i + order] for i in range(len(words) - order + 1))


def _shared_ngrams(order: int) -> Callable[[str, str], float]:
    def score(answer: str, reference: str) -> float:
        said, true = _ngrams(tokens(answer), order), _ngrams(tokens(reference), order)
        shared = sum(min(n, true[gram]) for gram, n in said.items() if gram in true)
        return _f(shared, said.total(), true.total())

    return score


@lru_cache(maxsize=512)  # more than the rows on which skill is tested
def _places(words: Tokens) -> dict[str, int]:
    """Return for each word a number whose bit i is set where the word stands at place i."""
    places: dict[str, int] = {}
    for at, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << at
    return places


def _lcs_rows(words: Tokens, other: Tokens) -> list[int]:
    """Return the table of longest common subsequences, a number for each word of `other`.

    Bit i of row j is 0 where one more of the first i + 1 `words` than of the first i can be
    found in order among the first j words of `other`: the zeros up to i add up to the length.
    """
    everywhere, places = (1 << len(words)) - 1, _places(words)
    row, rows = everywhere, [everywhere]
    for word in other:
        found = row & places.get(word, 0)
        row = ((row + found) | (row - found)) & everywhere
        rows.append(row)
    return rows


def _longest_common(answer: str, reference: str) -> float:
    said, true = tokens(answer), tokens(reference)
    shared = len(true) - _lcs_rows(true, said)[-1].bit_count()
    return _f(shared, len(said), len(true))


def _common_places(reference: Tokens, answer: Tokens) -> set[int]:
    """Return the places in `reference` of the common subsequence that the library picks."""
    rows = _lcs_rows(answer, reference)
    i, j, places = len(reference), len(answer), set()
    while i and j:
        if reference[i - 1] == answer[j - 1]:
            places.add(i - 1)
            i, j = i - 1, j - 1
            continue
        # The length over i words is that over i - 1 or one more; the table tells which.
        upto = (1 << j) - 1
        if (rows[i] & upto).bit_count() < (rows[i - 1] & upto).bit_count():
            j -= 1
        else:
            i -= 1
    return places


def _union_of_sentences(answer: str, reference: str) -> float:
    """Return ROUGE-Lsum: each sentence of the reference against all of the answer."""
    said, true = ([_words(part) for part in sentences(text)] for text in (answer, reference))
    left_said, left_true = (Counter(w for part in side for w in part) for side in (said, true))
    sizes = left_said.total(), left_true.total()
    shared = 0
    for part in true:
        covered: set[int] = set().union(*(_common_places(part, other) for other in said))
        for word in (part[place] for place in sorted(covered)):
            if left_said[word] > 0 and left_true[word] > 0:
                shared += 1
                left_said[word] -= 1
                left_true[word] -= 1
    return _f(shared, *sizes)


def _best(words: str, score: Callable[[str, str], float]) -> Metric[Texts]:
    def best(answer: str, references: Sequence[str]) -> float:
        return max(score(answer, reference) for reference in references)

    return of_mean(words, best)


rouge1 = _best("ROUGE-1", _shared_ngrams(1))
rouge2 = _best("ROUGE-2", _shared_ngrams(2))
rouge_l = _best("ROUGE-L", _longest_common)
rouge_lsum = _best("ROUGE-Lsum", _union_of_sentences)
