"""Parts of the training rows, each contained in the next larger one.

The rows are put in an order by a digest of their text and a seed, as `data.limit` does it, so
which rows a part holds depends on neither their order in the files nor on how many parts there
are. Rows of one group stay together, and so do copies of one text. In front stands the first
unit of each class: the smallest part has rows of all classes.

Called by `pipeline.curve`.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.data.keys import group_keys, mixed, with_keys
from burnish.errors import EmptyDataError
from burnish.records import LabelSpace, Space

FEWEST_ROWS = 8  # of a part; fewer than a handful teach nothing
_LEAST_GROWTH = 1.25  # from one part to the next


@dataclass(frozen=True, slots=True)
class Nested:
    """An order of n rows, and where it may be cut."""

    reach: NDArray[np.int64]  # shape (n,): how many rows the smallest part has that holds the row
    least: int  # rows of the smallest part that has all classes

    def part(self, size: int) -> NDArray[np.bool_]:
        """Return which rows are in the part nearest to a size, shape (n,).

        Where groups stay together a part is seldom just as large as asked.
        """
        ends = np.unique(self.reach)
        ends = ends[ends >= min(self.least, ends[-1])]
        nearest = ends[np.abs(ends - size).argmin()]
        return np.asarray(self.reach <= nearest)


def nest(rows: pl.DataFrame, space: Space, *, seed: int) -> Nested:
    """Return the order of rows (columns id, text, labels, group) by text and seed."""
    unit = group_keys(with_keys(rows)).alias("unit")
    order = pl.Series("order", mixed(unit.to_numpy(), seed))
    named = pl.DataFrame([unit, order, rows["labels"]])
    units = named.group_by("unit").agg(pl.col("order").first(), rows=pl.len())
    units = units.with_columns(leads=pl.col("unit").is_in(_leading(named, space).implode()))
    units = units.sort(~pl.col("leads"), "order").with_columns(reach=pl.col("rows").cum_sum())
    reach = unit.replace_strict(units["unit"], units["reach"], return_dtype=pl.Int64)
    least = units.filter("leads")["reach"].to_numpy().max(initial=0)
    return Nested(reach=reach.to_numpy(), least=int(least))


def _leading(named: pl.DataFrame, space: Space) -> pl.Series:
    """Return the first unit of each class."""
    if not isinstance(space, LabelSpace):
        return pl.Series("unit", [], pl.UInt64)
    labelled = named.explode("labels").drop_nulls("labels")
    return labelled.sort("order").group_by("labels").first()["unit"].unique()


def ladder(total: int, count: int, *, least: int) -> tuple[int, ...]:
    """Return sizes of parts, each twice the one before where there is room, the last one `total`.

    Args:
        total: rows there are.
        count: how many sizes, 2 or more.
        least: rows of the smallest part; where halving would go below, the steps are smaller.

    Raises:
        EmptyDataError: BN205, sizes would be too much alike.
    """
    first = max(total / 2 ** (count - 1), least)
    growth = (total / first) ** (1 / (count - 1))
    if growth < _LEAST_GROWTH:
        raise EmptyDataError(
            f"{total:,} training rows are too few for {count} sizes: the smallest needs "
            f"{least:,}, for less than {FEWEST_ROWS} teach nothing and each class needs one",
            where="training rows",
            fix="give more rows, or ask for fewer sizes with `--sizes 3`",
        )
    return (*(round(first * growth**step) for step in range(count - 1)), total)
