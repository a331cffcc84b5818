"""Fit probabilities to what came true: one slope for all logits, and one shift where it is known.

Fine-tuned models are too sure of themselves, and weights or draws against imbalance move all
probabilities one way. A label's probability is sigmoid(slope · logit + shift) afterwards (Platt
1999, "Probabilistic Outputs for Support Vector Machines", without his smoothing of targets); of
several classes of which one is right it is softmax(slope · logits), which is temperature scaling
(Guo et al. 2017, section 4.2). Slope and shift are shared by all labels: rare ones have too few
rows for numbers of their own. The order of a label's rows stays as it is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

FEWEST_ROWS = 50  # below which nothing is fitted
FEWEST_OF_A_KIND = 5  # decisions that came true, and that did not, below which nothing is fitted
_STEEPEST = 20.0  # slopes lie between its inverse and it


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """What logits are multiplied by, and what is added to them then."""

    slope: float
    shift: float


def fit_sigmoid(logits: NDArray[np.floating], truth: NDArray[np.bool_]) -> Scaling | None:
    """Return the scaling with the least log loss; None where the rows are too few to tell.

    Args:
        logits: shape (n, L); of binary tasks (n, 1), the log odds of the class of interest.
        truth: shape (n, L); which labels each row has.
    """
    from scipy.optimize import minimize  # half a second that servers need not wait for

    _check(logits, truth)
    if len(logits) < FEWEST_ROWS or min(truth.sum(), (~truth).sum()) < FEWEST_OF_A_KIND:
        return None
    flat, held = logits.astype(np.float64).ravel(), truth.ravel().astype(np.float64)

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the mean log loss and its gradient."""
        scaled = at[0] * flat + at[1]
        error = expit(scaled) - held
        value = float(np.mean(np.logaddexp(0, scaled) - held * scaled))
        return value, np.array([np.mean(error * flat), np.mean(error)])

    bounds = [(1 / _STEEPEST, _STEEPEST), (None, None)]
    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=bounds)
    return Scaling(slope=float(found.x[0]), shift=float(found.x[1]))


def fit_softmax(logits: NDArray[np.floating], truth: NDArray[np.bool_]) -> Scaling | None:
    """Return the slope with the least log loss; None where the rows are too few to tell.

    Args:
        logits: shape (n, L).
        truth: shape (n, L), one True a row.
    """
    from scipy.optimize import minimize_scalar  # as above

    _check(logits, truth)
    if len(logits) < FEWEST_ROWS:
        return None
    wide = logits.astype(np.float64)

    def loss(exponent: float) -> float:
        return float(-np.mean(log_softmax(np.exp(exponent) * wide, axis=1)[truth]))

    edge = np.log(_STEEPEST)
    found = minimize_scalar(loss, bounds=(-edge, edge), method="bounded")
    return Scaling(slope=float(np.exp(found.x)), shift=0.0)


def _check(logits: NDArray[np.floating], truth: NDArray[np.bool_]) -> None:
    if logits.shape != truth.shape or logits.ndim != 2:  # noqa: PLR2004
        raise ValueError(f"logits {logits.shape} and truth {truth.shape} must both be (n, labels)")
