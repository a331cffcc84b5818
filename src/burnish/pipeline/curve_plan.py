"""Which rows each training of a learning curve learns, and what of the graph depends on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.data.subsets import FEWEST_ROWS, Nested, ladder, nest
from burnish.errors import EmptyDataError
from burnish.recipe.recipe import Recipe
from burnish.records import Space
from burnish.tasks.encoded import Encoded

TRAIN, TUNE = "train", "tune"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one training."""

    size: int  # that was asked for
    seed: int
    train: NDArray[np.bool_]  # which training rows, shape (n,)
    tune: NDArray[np.bool_] | None  # which rows of `tune` a rival learns; None without that split

    @property
    def rows(self) -> int:
        """How many training rows there are."""
        return int(self.train.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All trainings, the smallest first, and what was chosen for them."""

    parts: tuple[Part, ...]
    total: int  # training rows
    remarks: tuple[str, ...]


def plan_curve(recipe: Recipe, shared: dict[str, Any], sizes: int, seeds: int) -> Plan:
    """Choose the sizes and the rows of each.

    Raises:
        EmptyDataError: BN205, too few rows, or groups too large, for so many sizes.
    """
    splits, space = shared["splits"], shared["label_space"]
    total = splits[TRAIN].height
    drawn = [recipe.training.seed + number for number in range(seeds)]
    orders = {seed: nest(splits[TRAIN], space, seed=seed) for seed in drawn}
    least = max(FEWEST_ROWS, *(order.least for order in orders.values()))
    chosen = ladder(total, sizes, least=least)
    parts = [_part(splits, space, orders[seed], size, seed) for size in chosen for seed in drawn]
    for seed in drawn:
        rows = [part.rows for part in parts if part.seed == seed]
        if len(set(rows)) < len(rows):
            raise EmptyDataError(
                f"{total:,} training rows cannot be cut into {sizes} sizes: groups that stay "
                f"together leave {', '.join(f'{count:,}' for count in rows)} rows",
                where="training rows",
                fix="ask for fewer sizes with `--sizes 3`, or give smaller groups",
            )
    remarks = []
    if chosen[0] > -(-total // 2 ** (sizes - 1)):
        remarks.append(
            f"The smallest size was raised to {chosen[0]:,} rows, for each class needs one and "
            f"fewer than {FEWEST_ROWS} teach nothing."
        )
    return Plan(parts=tuple(parts), total=total, remarks=tuple(remarks))


def _part(
    splits: dict[str, pl.DataFrame], space: Space, order: Nested, size: int, seed: int
) -> Part:
    tune = None
    if TUNE in splits:
        held = splits[TUNE]
        share = size / splits[TRAIN].height
        tune = nest(held, space, seed=seed).part(round(share * held.height))
    return Part(size=size, seed=seed, train=order.part(size), tune=tune)


def nodes_of(shared: dict[str, Any], part: Part) -> dict[str, Any]:
    """Return the nodes that differ from size to size.

    Rows of `tune` choose the epoch and the thresholds at every size, as in a run. To a rival they
    are training rows, so there it gets only as many of them as are its share.
    """
    share = part.rows / len(part.train)
    masks = {TRAIN: part.train} | ({} if part.tune is None else {TUNE: part.tune})
    splits, features = dict(shared["splits"]), dict(shared["features"])
    for name, mask in masks.items():
        splits[name] = splits[name].filter(pl.Series(mask))
        if name in features:
            features[name] = features[name][mask]
    encoded: Encoded = shared["encoded"][TRAIN]
    kept = set(splits[TRAIN]["id"])
    learned = encoded.take([at for at, one in enumerate(encoded.ids) if one in kept])
    unselected: Encoded | None = shared["unselected"]
    if unselected is not None:
        unselected = unselected.take(range(max(1, round(share * len(unselected)))))
    return {
        "splits": splits,
        "features": features,
        "encoded": shared["encoded"] | {TRAIN: learned},
        "unselected": unselected,
    }
