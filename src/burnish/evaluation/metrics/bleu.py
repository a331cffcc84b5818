"""BLEU as sacreBLEU counts it: 13a tokens, n-grams to 4, exponential smoothing; 0 to 1.

A data set's BLEU is made of sums over rows (matching n-grams, lengths), so it is not the mean
of its rows' BLEU. The counts of a row are sacreBLEU's; the last step is written for many
resamples at once, and a test holds it against sacreBLEU's own.
Source: Papineni et al. 2002; smoothing: Chen and Cherry 2014, method 3; Post 2018 (sacreBLEU).
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.metrics.base import Values
from burnish.evaluation.metrics.pairs import of_sums

_ORDERS = 4


@cache
def _counter() -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(effective_order=True)  # the order matters to a row's score, which is not used


def _counts(answer: str, references: tuple[str, ...]) -> tuple[float, ...]:
    """Return lengths of answer and closest reference, then matches and n-grams by order, (10,)."""
    row = _counter().sentence_score(answer, list(references))
    return (row.sys_len, row.ref_len, *row.counts, *row.totals)


def _bleu(sums: NDArray[np.float64]) -> Values:
    """Return BLEU of summed counts, shape (r, 10) → (r,)."""
    length, wanted = sums[:, 0], sums[:, 1]
    matches, total = sums[:, 2 : 2 + _ORDERS], sums[:, 2 + _ORDERS :]
    defined = (total > 0).all(axis=1) & (matches > 0).any(axis=1)
    # Each order without a match counts as half a match, a quarter, and so on.
    halves = 0.5 ** np.cumsum(matches == 0, axis=1)
    smoothed = np.where(matches > 0, matches, halves) / np.where(total > 0, total, 1.0)
    brief = np.exp(np.minimum(0.0, 1.0 - wanted / np.where(length > 0, length, 1.0)))
    value: Values = np.where(defined, brief * np.exp(np.log(smoothed).mean(axis=1)), 0.0)
    return value


bleu = of_sums("BLEU", _counts, _bleu)
