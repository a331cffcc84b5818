"""A small, balanced part of the training rows, for a quick trial of a recipe."""

from collections import Counter

import numpy as np
import polars as pl

from burnish.data.keys import KEY, mixed, with_keys
from burnish.records import LabelSpace, LedgerEntry

_NO_LABEL = ""


def limit_train(
    train: pl.DataFrame, limit: int, space: LabelSpace, *, seed: int
) -> tuple[pl.DataFrame, LedgerEntry]:
    """Return at most `limit` rows, classes as equal in number as they allow, and the entry.

    A multi-label row counts for the rarest of its classes; rows without a label are a class of
    their own. Which rows are taken depends on text and seed, not on the order of rows; those
    taken keep it.
    """
    kept = train
    if train.height > limit:
        classes = _rarest_class(train, space)
        order = mixed(with_keys(train)[KEY].to_numpy(), seed)
        quota = _quotas(Counter(classes.to_list()), limit)
        ranked = pl.DataFrame({"class": classes, "order": order, "id": train["id"]})
        rank = ranked.select(pl.struct("order", "id").rank("ordinal").over("class")).to_series()
        allowed = classes.replace_strict(quota, return_dtype=pl.Int64)
        kept = train.filter(rank <= allowed)
    cut = train.height - kept.height
    return kept, LedgerEntry(
        stage="limit",
        split="train",
        rows_in=train.height,
        kept=kept.height,
        dropped={"limit": cut} if cut else {},
    )


def _rarest_class(train: pl.DataFrame, space: LabelSpace) -> pl.Series:
    """Return the class each row counts for, shape (n,)."""
    combos = train["labels"].list.join("\x1f")
    distinct = combos.value_counts()
    counts: Counter[str] = Counter(dict.fromkeys(space.names, 0))
    for combo, rows in distinct.iter_rows():
        counts.update(dict.fromkeys(combo.split("\x1f"), rows))
    rarest = {
        combo: min(combo.split("\x1f"), key=lambda name: (counts[name], name))
        for combo in distinct[:, 0]
    }
    return combos.replace_strict(rarest, return_dtype=pl.String)


def _quotas(counts: Counter[str], limit: int) -> dict[str, int]:
    """Return class → rows to take: equal shares, what a small class leaves goes to the others."""
    quota: dict[str, int] = {}
    left = limit
    for place, (name, rows) in enumerate(
        sorted(counts.items(), key=lambda item: (item[1], item[0]))
    ):
        quota[name] = min(rows, int(np.ceil(left / (len(counts) - place))) if left else 0)
        quota[name] = min(quota[name], left)
        left -= quota[name]
    return quota
