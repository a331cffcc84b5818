"""A small, balanced part of the training rows, for a quick trial of a recipe."""

from collections import Counter
from math import ceil

import polars as pl

from burnish.data.keys import KEY, mixed, with_keys
from burnish.records import LabelSpace, LedgerEntry, Space


def limit_train(
    train: pl.DataFrame, limit: int, space: Space, *, seed: int
) -> tuple[pl.DataFrame, LedgerEntry]:
    """Return at most `limit` rows, classes as equal in number as they allow, and the entry.

    A multi-label row counts for the rarest of its classes; rows without a label are a class of
    their own. Where answers are texts there are no classes, and the rows are a sample. Which are
    taken depends on text and seed, not on the order of rows; those taken keep it.
    """
    rows_in, dropped = train.height, {}
    if rows_in > limit:
        classes = (
            _rarest_class(train, space)
            if isinstance(space, LabelSpace)
            else pl.repeat("", rows_in, eager=True)
        )
        order = mixed(with_keys(train)[KEY].to_numpy(), seed)
        ranked = pl.DataFrame({"class": classes, "order": order, "id": train["id"]})
        rank = ranked.select(pl.struct("order", "id").rank("ordinal").over("class")).to_series()
        quota = _quotas(Counter(classes.to_list()), limit)
        train = train.filter(rank <= classes.replace_strict(quota, return_dtype=pl.Int64))
        dropped = {"limit": rows_in - train.height}
    return train, LedgerEntry(
        stage="limit", split="train", rows_in=rows_in, kept=train.height, dropped=dropped
    )


def _rarest_class(train: pl.DataFrame, space: LabelSpace) -> pl.Series:
    """Return the class each row counts for, shape (n,)."""
    combos = train["labels"].list.join("\x1f")
    rows = {combo: (combo.split("\x1f"), n) for combo, n in combos.value_counts().iter_rows()}
    counts: Counter[str] = Counter(dict.fromkeys(space.names, 0))
    for names, count in rows.values():
        counts.update(dict.fromkeys(names, count))
    rarest = {
        combo: min(names, key=lambda name: (counts[name], name))
        for combo, (names, _) in rows.items()
    }
    return combos.replace_strict(rarest, return_dtype=pl.String)


def _quotas(counts: Counter[str], limit: int) -> dict[str, int]:
    """Return class → rows to take: equal shares, what a small class leaves goes to the others."""
    quota: dict[str, int] = {}
    for name in sorted(counts, key=lambda name: (counts[name], name)):
        left, classes_left = limit - sum(quota.values()), len(counts) - len(quota)
        quota[name] = min(counts[name], ceil(left / classes_left))
    return quota
