"""Give units of rows to splits so that every class keeps its share in each of them.

A unit is what must not be torn apart: a group, a near-duplicate cluster, or one text with its
copies. Units with the same labels are interchangeable, so they are shared out by the hundred;
once all of those have their places, what does not divide evenly is given away one by one, rarest
class and largest unit first, to the split that lacks that class most. Where units are few and
large, such as documents, units then change sides as long as that brings the classes nearer to
their shares.

Called by `burnish.data.splits`. Nothing here sees the order of rows.
Source: Sechidis, Tsoumakas and Vlahavas 2011, "On the Stratification of Multi-Label Data".
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

# Above so many units what one of them brings is too little to matter.
_FEW_UNITS = 2_000
_PASSES = 5
_BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True)
class _Kind:
    """Units whose rows have the same labels."""

    units: list[int]  # unit numbers, in the order the seed gives
    labels: Counter[str]  # label → rows of ONE unit that have it


def allocate(rows: pl.DataFrame, shares: Mapping[str, float]) -> pl.DataFrame:
    """Return columns `unit` and `split`, one row a unit.

    Args:
        rows: one row a data row, columns `unit` (UInt64), `order` (UInt64, one value a unit: the
            place the seed gives it) and `labels` (List(String); [] for none).
        shares: split → share of the rows, summing to 1; the first takes what ties leave.

    Each split gets at least one unit when there are as many units as splits.
    """
    units, kinds = _kinds(rows)
    totals: Counter[str] = Counter()
    for kind in kinds:
        totals.update({label: rows * len(kind.units) for label, rows in kind.labels.items()})
    need = {s: {name: share * n for name, n in totals.items()} for s, share in shares.items()}
    chosen: dict[int, str] = {}
    rarest = [min((totals[label], label) for label in kind.labels) for kind in kinds]
    # No two kinds have a unit in common, so the first unit decides between equally rare ones.
    ordered = sorted(
        zip(rarest, kinds, strict=True), key=lambda k: (k[0], -k[1].labels.total(), k[1].units)
    )
    # All kinds before any leftover: the needs that decide about those are then true ones.
    for _, kind in ordered:
        for split, members in _shared_out(kind, shares, need):
            chosen.update(dict.fromkeys(members, split))
    for (_, label), kind in ordered:
        for unit in kind.units:
            if unit not in chosen:
                chosen[unit] = _most_lacking(kind, label, need)
    splits = [chosen[number] for number in range(units.height)]
    if units.height <= _FEW_UNITS:
        splits = _improved(splits, units, kinds, shares)
    made = units.with_columns(pl.Series("split", splits, dtype=pl.String))
    return _none_empty(made, list(shares)).select("unit", "split")


def _kinds(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[_Kind]]:
    """Return the units (columns unit, order, rows) and the groups of like ones among them."""
    combos = rows.select("unit", "order", combo=pl.col("labels").list.join(_BETWEEN))
    units = (
        combos.group_by("unit")
        .agg(pl.col("order").first(), pl.len().alias("rows"), pl.col("combo").sort())
        .sort("order", "unit")
        .with_row_index("number")
    )
    alike = units.group_by("combo", maintain_order=True).agg("number")
    kinds = [
        _Kind(numbers, Counter(label for c in combo for label in c.split(_BETWEEN)))
        for combo, numbers in alike.iter_rows()
    ]
    return units.drop("combo"), kinds


def _shared_out(
    kind: _Kind, shares: Mapping[str, float], need: dict[str, dict[str, float]]
) -> Iterator[tuple[str, list[int]]]:
    """Yield split → its whole units of this kind, and lower the needs by what they bring."""
    start = 0
    for split, share in shares.items():
        count = int(len(kind.units) * share)
        yield split, kind.units[start : start + count]
        _lower(need[split], kind, count)
        start += count


def _most_lacking(kind: _Kind, rarest: str, need: dict[str, dict[str, float]]) -> str:
    """Return the split that lacks the rarest label most, and lower its needs by one unit's."""
    split = max(need, key=lambda s: (round(need[s][rarest], 6), sum(need[s].values())))
    _lower(need[split], kind, 1)
    return split


def _lower(need: dict[str, float], kind: _Kind, units: int) -> None:
    for label, rows in kind.labels.items():
        need[label] -= rows * units


def _improved(
    splits: list[str], units: pl.DataFrame, kinds: list[_Kind], shares: Mapping[str, float]
) -> list[str]:
    """Move single units while that lowers the chi-square distance of rows by class and split.

    Where units are single rows no class gets further than a row from its share for another's good.
    """
    counts = _counts(units, kinds)
    names = list(shares)
    target = np.outer(list(shares.values()), counts.sum(axis=0))  # shape (splits, classes)
    place = np.array([names.index(split) for split in splits])
    excess = np.stack([counts[place == s].sum(axis=0) for s in range(len(names))]) - target
    single = bool(counts.max() <= 1)
    for _ in range(_PASSES):
        moved = False
        for unit, brings in enumerate(counts):
            here = place[unit]
            leaving = (((excess[here] - brings) ** 2 - excess[here] ** 2) / target[here]).sum()
            coming = (((excess + brings) ** 2 - excess**2) / target).sum(axis=1)
            if single:
                if not _stays_near(excess[[here]], -brings)[0]:
                    continue
                coming[~_stays_near(excess, brings)] = np.inf
            coming[here] = -leaving  # staying changes nothing
            best = int(coming.argmin())
            if coming[best] + leaving < -1e-9:  # noqa: PLR2004  rounding must not move a unit
                excess[here] -= brings
                excess[best] += brings
                place[unit], moved = best, True
        if not moved:
            break
    return [names[p] for p in place]


def _stays_near(excess: NDArray[np.float64], change: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a change leaves each class within a row of its share, or no further, by split.

    Args:
        excess: shape (splits, classes + 1), rows over the share.
        change: shape (classes + 1,).
    """
    classes = excess[:, :-1]
    allowed = np.maximum(1.0, np.abs(classes)) + 1e-9
    return np.asarray((np.abs(classes + change[:-1]) <= allowed).all(axis=1))


def _counts(units: pl.DataFrame, kinds: list[_Kind]) -> NDArray[np.float64]:
    """Return rows of each unit by class, shape (units, classes + 1); the last is all its rows."""
    classes = sorted({label for kind in kinds for label in kind.labels})
    counts = np.zeros((units.height, len(classes) + 1))
    for kind in kinds:
        for label, rows in kind.labels.items():
            counts[kind.units, classes.index(label)] = rows
    counts[:, -1] = units["rows"].to_numpy()
    return counts


def _none_empty(units: pl.DataFrame, splits: list[str]) -> pl.DataFrame:
    """Hand each empty split the smallest unit of the split with the most units."""
    for split in splits:
        if (units["split"] == split).any() or units.height < len(splits):
            continue
        richest = units["split"].value_counts(sort=True).sort("count", "split", descending=True)
        from_split = richest["split"][0]
        smallest = units.filter(pl.col("split") == from_split).sort("rows", "number")["number"][0]
        moved = pl.when(pl.col("number") == smallest).then(pl.lit(split)).otherwise("split")
        units = units.with_columns(moved.alias("split"))
    return units
