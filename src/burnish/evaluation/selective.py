"""Selective classification: leave to people what the model is least sure of.

A row's confidence is the probability of its whole answer: of the label given, or, where a row
may have any number, the product over labels of what the answer says of each. Below a least
confidence the model abstains. It is chosen so that the answers that are given are wrong no more
often than asked, on new rows too, as surely as asked: for each of twenty shares of the rows the
risk has an upper bound, all of which hold together (Angelopoulos et al. 2021, "Learn then Test",
with Bonferroni's correction), and the largest share whose bound is low enough is taken.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

_TRIED = 20  # shares of the rows, evenly spaced
NEVER_SURE = 1.0  # least confidence where none was found that keeps the promise


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """The rows that are answered when the least sure are left to people."""

    share: float  # of all rows
    n: int  # rows answered
    right: float  # share of them
    low: float  # 95 % Clopper-Pearson interval of `right`
    high: float


def confidences(
    scores: NDArray[np.floating], given: NDArray[np.bool_], *, multi_label: bool
) -> NDArray[np.float64]:
    """Return the probability of each row's whole answer, shape (n,).

    Args:
        scores: shape (n, L), probabilities in [0, 1].
        given: shape (n, L); one True a row unless `multi_label`.
        multi_label: whether each label is a decision of its own.
    """
    wide = np.asarray(scores, dtype=np.float64)
    said = np.where(given, wide, 1 - wide if multi_label else 1.0)
    return np.asarray(said.prod(axis=1))


def least_confidence(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], *, max_risk: float, sure: float
) -> float:
    """Return from which confidence answers are wrong in at most `max_risk` of all cases.

    Args:
        confidence: shape (n,).
        right: shape (n,), whether each answer was.
        max_risk: share in (0, 1).
        sure: probability in (0, 1) with which that holds for rows of the same kind.

    Returns:
        The lowest that was found, in [0, 1]; `NEVER_SURE` where none keeps the promise.
    """
    order = _surest_first(confidence)
    sorted_confidence, wrong = confidence[order], np.cumsum(~right[order])
    for tried in range(_TRIED, 0, -1):
        floor = sorted_confidence[max(0, round(tried / _TRIED * len(right)) - 1)]
        answered = int((sorted_confidence >= floor).sum())  # rows of one confidence go together
        bound = _upper(int(wrong[answered - 1]), answered, (1 - sure) / _TRIED)
        if bound <= max_risk:
            return float(floor)
    return NEVER_SURE


def coverages(
    confidence: NDArray[np.floating], right: NDArray[np.bool_], shares: tuple[float, ...]
) -> list[Coverage]:
    """Return how often the surest rows are right, for each share of them that is answered."""
    hits = np.cumsum(right[_surest_first(confidence)])
    counts = [max(1, round(share * len(hits))) for share in shares]
    return [covered(int(hits[n - 1]), n, len(hits)) for n in counts]


def _surest_first(confidence: NDArray[np.floating]) -> NDArray[np.intp]:
    return np.argsort(-confidence, kind="stable")


def covered(right: int, answered: int, rows: int) -> Coverage:
    """Return the coverage of `answered` of `rows`, of which `right` were; none say nothing."""
    return Coverage(
        share=answered / rows,
        n=answered,
        right=right / max(1, answered),
        low=1 - _upper(answered - right, answered, 0.025),
        high=_upper(right, answered, 0.025),
    )


def _upper(hits: int, n: int, chance: float) -> float:
    """Return the share that more than `hits` of n would exceed but for that chance."""
    return 1.0 if hits >= n else float(betaincinv(hits + 1, n - hits, 1 - chance))
