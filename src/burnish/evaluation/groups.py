"""Which judged rows belong together, as sentences of one document do.

Rows of one group are alike, so twelve of them say less than twelve rows that have nothing in
common. Where the data names groups, intervals, p and the least number of differing rows are
by whole groups: a group is one unit, and so is a row that is of no group.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

Groups = NDArray[np.intp]  # shape (n,), each row's group from 0 up, none left out


def groups_of(rows: pl.DataFrame, ids: Sequence[str]) -> Groups | None:
    """Return the group of each id as a number, shape (n,); None where no row has one.

    Args:
        rows: a split, with columns `id` and, where the data has groups, `group`.
        ids: the judged rows; one that the split lacks is a group by itself, too.
    """
    if "group" not in rows.columns or rows["group"].null_count() == len(rows):
        return None
    named = dict(zip(rows["id"], rows["group"], strict=True))
    of_id = [named.get(one) for one in ids]
    keys = [f"row {i}" if g is None else f"group {g}" for i, g in zip(ids, of_id, strict=True)]
    return renumbered(np.array(keys))


def renumbered(groups: NDArray[Any]) -> Groups:
    """Return the groups as numbers from 0 up with none left out, shape (n,)."""
    return np.unique(groups, return_inverse=True)[1].astype(np.intp)


def units(n: int, groups: Groups | None) -> int:
    """Return how many independent units n rows are: their groups, or the rows themselves."""
    return n if groups is None else int(groups.max()) + 1


def units_with(rows: NDArray[np.bool_], groups: Groups | None) -> int:
    """Return how many units have a row that is marked in `rows`, shape (n,)."""
    return int(rows.sum()) if groups is None else len(np.unique(groups[rows]))


def permutation(n: int, groups: Groups | None, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return a random order of n rows, shape (n,), that leaves the rows of a group together.

    The groups change places, and the rows within each: what two rows have in common just by
    being of one group is then as frequent among shuffled rows as among the real ones.
    """
    if groups is None:
        return rng.permutation(n)
    places = np.argsort(groups, kind="stable")  # the rows as they lie, group by group
    rank = rng.permutation(units(n, groups))
    order = np.empty(n, dtype=np.intp)
    order[places] = np.lexsort((rng.random(n), rank[groups]))
    return order
