"""chrF as sacreBLEU counts it, 0 to 1.

N-grams of up to 6 characters, white space left out; recall weighs twice as much as precision.
A data set's chrF is made of sums over rows. A row's n-grams are counted here with arrays, which
on long answers is four times as fast as with dictionaries; a test holds the values against
sacreBLEU's.
Source: Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation".
"""

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import Values, ratio
from burnish.evaluation.metrics.pairs import of_sums

_ORDERS = 6
_BETA = 2


def _counts(answer: str, references: tuple[str, ...]) -> list[float]:
    """Return n-grams of answer, of reference, and matches, for each order: (18,).

    Of several references the one with the highest chrF, the first of equals.
    """
    characters = _characters(answer)
    each = np.array([_matches(characters, _characters(one)) for one in references], np.float64)
    best: list[float] = each[int(_chrf(each).argmax())].tolist()
    return best


def _characters(text: str) -> NDArray[np.int64]:
    """Return the code points of a text, white space left out."""
    packed = "".join(text.split()).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(packed, dtype=np.uint32).astype(np.int64)


def _matches(answer: NDArray[np.int64], reference: NDArray[np.int64]) -> list[float]:
    """Return (n-grams of answer, of reference, matches) by order.

    An n-gram is known by a number: that of its first n − 1 characters and that of its last.
    """
    first = len(answer)
    _, letter = np.unique(np.concatenate([answer, reference]), return_inverse=True)
    gram = letter
    counts: list[float] = []
    for order in range(1, _ORDERS + 1):
        said, true = max(0, first - order + 1), max(0, len(reference) - order + 1)
        distinct = int(gram.max(initial=0)) + 1
        of_answer = np.bincount(gram[:said], minlength=distinct)
        of_reference = np.bincount(gram[first : first + true], minlength=distinct)
        # As in sacreBLEU, an answer is not charged for orders that no reference has.
        counts += [said if true else 0, true, np.minimum(of_answer, of_reference).sum()]
        longer = gram[:-1] * (int(letter.max(initial=0)) + 1) + letter[order:]
        _, gram = np.unique(longer, return_inverse=True)
    return counts


def _chrf(sums: NDArray[np.float64]) -> Values:
    """Return chrF of summed counts, shape (r, 18) → (r,)."""
    said, true, matches = sums[:, 0::3], sums[:, 1::3], sums[:, 2::3]
    counted = ((said > 0) & (true > 0)).sum(axis=1)
    precision = ratio(ratio(matches, said).sum(axis=1), counted)
    recall = ratio(ratio(matches, true).sum(axis=1), counted)
    weighted = _BETA**2 * precision + recall
    value: Values = ratio((1 + _BETA**2) * precision * recall, weighted)
    return value


chrf = of_sums("chrF", _counts, _chrf)
