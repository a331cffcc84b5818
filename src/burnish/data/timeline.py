"""Split by time: the past trains, the future is predicted.

Rows of one moment stay on one side, so the cut falls between two distinct times, as near to the
asked share as they allow.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from burnish.errors import SplitError


def cut_by_time(rows: pl.DataFrame, column: str, shares: Mapping[str, float]) -> pl.Series:
    """Return the split of each row, shape (n,): earliest rows to the first split of `shares`.

    Args:
        rows: canonical rows with the time in `column`: numbers, dates, or texts of them.
        column: name of that column, such as `meta:date`.
        shares: split → share of the rows, in order of time, summing to 1.

    Raises:
        SplitError: BN208, a time is missing or cannot be read; names file and row.
    """
    times = readable_times(rows, column)
    moments = pl.DataFrame({"time": times}).group_by("time").len().sort("time")
    ends = moments["len"].cum_sum().to_numpy() / max(1, rows.height)
    cuts, start = [], 0
    targets = np.cumsum(list(shares.values()))[:-1]
    for at, target in enumerate(targets):
        # Leave one moment for each split; where there are too few, a later check tells.
        choices = np.abs(ends[start : moments.height - len(targets) + at] - target)
        start += int(choices.argmin()) + 1 if len(choices) else 0
        cuts.append(start)
    names = np.repeat(list(shares), np.diff([0, *cuts, moments.height]))
    table = moments.select("time").with_columns(pl.Series("split", names, dtype=pl.String))
    joined = pl.DataFrame({"time": times}).join(table, on="time", how="left", maintain_order="left")
    return joined["split"]


def readable_times(rows: pl.DataFrame, column: str) -> pl.Series:
    """Return the column as numbers or points in time. Raises SplitError (BN208)."""
    times = rows[column]
    if isinstance(times.dtype, pl.String):
        readings = (
            times.cast(pl.Float64, strict=False),
            times.str.to_datetime("%+", strict=False, time_zone="UTC", time_unit="us"),
            times.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", strict=False),
            times.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", strict=False),
            times.str.to_date("%Y-%m-%d", strict=False),
        )
        times = min(readings, key=pl.Series.null_count)
    bad = times.is_null() | (times.is_nan() if times.dtype.is_float() else False)
    if bad.any():
        first = rows.filter(bad).row(0, named=True)
        raise SplitError(
            f"{bad.sum()} row(s) have no time that can be read; first {first[column]!r}",
            where=f"{first['file']}, row {first['row']}, column {column.removeprefix('meta:')!r}",
            fix="write numbers or ISO dates (2024-05-31, 2024-05-31T12:00:00Z) in every row, or "
            "split by something else",
        )
    return times
