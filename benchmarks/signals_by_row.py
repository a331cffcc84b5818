"""Ten signals decided a row at a time, in the two ways that people do it; `signals.py` times them.

`plainly` is a loop as good as Python's `re` and plain functions allow. `as_logged` is the design
of the example project that Burnish's signals replace, written anew: rows come one by one to a
logger, each as lists of one; a signal is an object over objects, whose answer is an array of one;
each row is appended to a CSV file as it comes, and once more to another if it is chosen.
"""

import json
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

BRANDS = ["Norvik"]
RIVALS = ["Altera", "Kestrel", "Domo", "Brightway"]
PRODUCTS = ["shoes", "boots", "sneakers", "jackets", "caps", "gloves"]
BLAME = ["ugly", "bad", "awful", "terrible", "poor"]
SHELVES = ["a", "b", "c"]

Row = dict[str, Any]
Columns = dict[str, list[Any]]
Reading = tuple[str, Callable[[Any], Any]]  # a column, and what is asked of its value


def readings() -> dict[str, Reading]:
    """Return the ten, by name."""

    def contains(words: list[str]) -> Reading:
        pattern = re.compile(rf"(?i)\b(?:{'|'.join(words)})\b")
        return "text", lambda text: pattern.search(text) is not None

    ends, digits = re.compile("!$"), re.compile("[0-9]")
    return {
        "brand": contains(BRANDS),
        "rival": contains(RIVALS),
        "product": contains(PRODUCTS),
        "blame": contains(BLAME),
        "exclaims": ("text", lambda text: ends.search(text) is not None),
        "digits": ("text", lambda text: digits.search(text) is not None),
        "words": ("text", lambda text: len(text.split())),
        "size": ("text", len),
        "good": ("labels", lambda labels: "positive" in labels),
        "shelved": ("shelf", lambda shelf: shelf in SHELVES),
    }


def plainly(rows: list[Row]) -> list[bool]:
    """Return which rows are chosen, by a loop that writes nothing."""
    asked, chosen = readings(), []
    for row in rows:
        if row["text"] is None:
            chosen.append(False)
            continue
        said = {name: read(row[column]) for name, (column, read) in asked.items()}
        chosen.append(
            bool(
                said["brand"]
                and said["product"]
                and not said["blame"]
                and (said["exclaims"] or not said["digits"])
                and said["words"] >= 4
                and said["size"] < 200
                and (said["good"] or said["shelved"])
                and not said["rival"]
            )
        )
    return chosen


@dataclass(frozen=True, slots=True)
class RowSignal:
    """A signal over lists of one, and its formula as a tree of such objects."""

    read: Callable[[Columns], Any]

    def evaluate(self, columns: Columns) -> NDArray[Any]:
        """Return an array of one answer."""
        return np.array(self.read(columns))

    def __and__(self, other: "RowSignal") -> "RowSignal":
        return RowSignal(lambda rows: np.logical_and(self.evaluate(rows), other.evaluate(rows)))

    def __or__(self, other: "RowSignal") -> "RowSignal":
        return RowSignal(lambda rows: np.logical_or(self.evaluate(rows), other.evaluate(rows)))

    def __invert__(self) -> "RowSignal":
        return RowSignal(lambda rows: np.logical_not(self.evaluate(rows)))

    def __ge__(self, other: int) -> "RowSignal":
        return RowSignal(lambda rows: np.greater_equal(self.evaluate(rows), [other]))

    def __lt__(self, other: int) -> "RowSignal":
        return RowSignal(lambda rows: np.less(self.evaluate(rows), [other]))


def as_logged(rows: list[Row], folder: Path | None) -> list[bool]:
    """Return which rows are chosen; with a folder, each row is logged in it as it comes."""
    signal, chosen = _tree(), []
    for row in rows:
        columns = {name: [value] for name, value in row.items()}
        if folder:
            _append(columns, folder / "all.csv")
        is_chosen = bool(signal.evaluate(columns)[0])
        if folder and is_chosen:
            _append(columns, folder / "chosen.csv")
        chosen.append(is_chosen)
    return chosen


def _tree() -> RowSignal:
    def over(column: str, read: Callable[[Any], Any]) -> RowSignal:
        return RowSignal(lambda rows: [one is not None and read(one) for one in rows[column]])

    of = {name: over(column, read) for name, (column, read) in readings().items()}
    lengths = (of["words"] >= 4) & (of["size"] < 200)
    shown = of["exclaims"] | ~of["digits"]
    liked = of["good"] | of["shelved"]
    return of["brand"] & of["product"] & ~of["blame"] & shown & lengths & liked & ~of["rival"]


def _append(columns: Columns, path: Path) -> None:
    told = {name: [json.dumps(one) for one in values] for name, values in deepcopy(columns).items()}
    pd.DataFrame(told).to_csv(path, index=False, mode="a", header=not path.exists())
