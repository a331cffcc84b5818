"""Folds of the training rows, for baselines that must choose settings without other rows.

Rows of one group stay in one fold, so that a setting is not preferred for memorising a
document. Without groups the rows are dealt at random.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold, KFold

from burnish.evaluation.baselines.base import Rows

FOLDS = 5
_ONE_IS_ENOUGH = 20_000  # rows from which a single fold holds enough to choose by

Fold = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows to train on, rows to score


def folds_of(rows: Rows, seed: int) -> list[Fold]:
    """Return up to 5 folds; one where rows are many; none where there is only one group."""
    folds = all_folds(rows, seed)
    return folds[:1] if len(rows) > _ONE_IS_ENOUGH else folds


def all_folds(rows: Rows, seed: int) -> list[Fold]:
    """Return up to 5 folds, in which every row is scored once; none if there is only one group."""
    groups = _group_numbers(rows.groups)
    units = len(np.unique(groups))
    count = min(FOLDS, units)
    if count < 2:  # noqa: PLR2004 - a fold needs another to train on
        return []
    if units == len(rows):
        return list(KFold(count, shuffle=True, random_state=seed).split(groups))
    return list(GroupKFold(count).split(groups, groups=groups))


def _group_numbers(groups: Sequence[Hashable]) -> NDArray[np.intp]:
    """Number the groups 0, 1, … by first appearance; a row without group is one by itself."""
    seen: dict[Hashable, int] = {}
    keys = [("row", i) if g is None else ("group", g) for i, g in enumerate(groups)]
    return np.array([seen.setdefault(key, len(seen)) for key in keys], dtype=np.intp)
