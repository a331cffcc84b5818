"""Which rows an optimizer step sees, and how a step is cut into forward passes.

The order of an epoch is a pure function of (seed, epoch), so a run that was stopped goes on
with exactly the rows it would have seen. A step is a fixed number of rows; cutting it into
passes of at most so many tokens changes speed and memory, never the mathematics.

Pure Python and NumPy, so it is tested without a model. Called by `training.datamodule`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from burnish.tasks.batch import padded_length

_ORDER, _MAJORITY = 0, 1  # keep the two random streams of a seed apart


def epoch_rows(
    targets: NDArray[np.float32], *, ratio: float | None, seed: int, epoch: int
) -> NDArray[np.int64]:
    """Return the rows of one epoch in the order they are seen.

    Args:
        targets: shape (n, classes), 0 or 1.
        ratio: rows of the most frequent class for each row of the others; None: every row.
            Each epoch takes another part of that class, so that in time every row is seen.
        seed: of the run.
        epoch: 0 for the first.
    """
    rows = np.arange(len(targets))
    if ratio is not None:
        frequent = majority_rows(targets)
        others = np.setdiff1d(rows, frequent)
        size = round(ratio * len(others))
        if 0 < size < len(frequent):
            rows = np.concatenate([others, rotating_part(frequent, size, seed, epoch)])
    return np.random.default_rng([seed, _ORDER, epoch]).permutation(rows)


def majority_rows(targets: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the rows of the most frequent class; rows without any label count as a class."""
    labelled = targets > 0
    count = labelled.sum(axis=1)
    without = np.flatnonzero(count == 0)
    label = int(labelled.sum(axis=0).argmax())
    alone = np.flatnonzero(labelled[:, label] & (count == 1))
    return without if len(without) >= len(alone) else alone


def rotating_part(rows: NDArray[np.int64], size: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return `size` of `rows`, other ones each epoch, all of them within a cycle of epochs."""
    epochs_a_cycle = -(-len(rows) // size)
    cycle, turn = divmod(epoch, epochs_a_cycle)
    shuffled = np.random.default_rng([seed, _MAJORITY, cycle]).permutation(rows)
    # Windows are spread evenly, so the last one overlaps its neighbour instead of being short.
    start = round(turn * (len(rows) - size) / max(1, epochs_a_cycle - 1))
    return shuffled[start : start + size]


def micro_batches(
    lengths: NDArray[np.int64], rows: Sequence[int], *, budget: int, packed: bool
) -> list[list[int]]:
    """Cut the rows of a step into forward passes, longest rows first.

    A pass holds at most `budget` tokens, padding included, or one row that alone is longer.
    Passes of a step are of about equal cost: a full one and a sliver would waste the sliver.

    Args:
        lengths: tokens of every row, shape (n,).
        rows: rows of this step.
        budget: tokens.
        packed: whether rows are joined without padding.
    """
    ordered = sorted(rows, key=lambda row: (-lengths[row], row))
    limit = _even_limit([_cost(int(lengths[row]), packed) for row in ordered], budget)
    batches: list[list[int]] = []
    longest = used = 0
    for row in ordered:
        cost = _cost(int(lengths[row]), packed)
        grown = used + cost if packed else longest * (len(batches[-1]) + 1 if batches else 1)
        if not batches or grown > budget or used >= limit:
            batches.append([])
            used, longest = 0, cost
        batches[-1].append(row)
        used = used + cost if packed else longest * len(batches[-1])
    return batches


def _cost(length: int, packed: bool) -> int:
    return length if packed else padded_length(length)


def _even_limit(costs: Sequence[int], budget: int) -> float:
    """Return the tokens from which a pass is closed so that all are about equal."""
    total = sum(costs)
    return total / max(1, -(-total // budget))
