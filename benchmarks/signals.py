"""Selection by ten ready signals, beside a loop over rows: rows a second, and peak memory.

The rows are the made-up sentences that come with Burnish, repeated to as many as asked, in Parquet
files that are read one by one. The loop does the same for each row with Python's `re` and plain
functions, one object a signal and one call a row, on the first rows alone; both must choose the
same ones. Prints one JSON line. Signals of language, sentiment and encoders are not among the ten.

Run: `python benchmarks/signals.py`, and `--rows 10000000` to see that memory stays the same.
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from burnish import Signal
from burnish.data.signals import library
from burnish.data.signals.select import select
from burnish.data.synthesis.fill import make_up
from burnish.data.synthesis.made import shipped_spec

BATCH, LOOPED = 200_000, 20_000  # rows
LEAST_RATE, LEAST_RATIO, MOST_MB = 500_000, 300, 1000
BRANDS = ["Norvik"]
RIVALS = ["Altera", "Kestrel", "Domo", "Brightway"]
PRODUCTS = ["shoes", "boots", "sneakers", "jackets", "caps", "gloves"]
BLAME = ["ugly", "bad", "awful", "terrible", "poor"]
SHELVES = ["a", "b", "c"]
SENTENCES = 20_000
Predicate = Callable[[dict[str, object]], object]


def write_rows(folder: Path, count: int) -> None:
    """Write `count` rows as Parquet files of a batch each."""
    made = make_up(shipped_spec(rows=SENTENCES)).train
    shelves = pl.Series(["a", "b", "c", "d"] * (made.height // 4))
    base = made.select("text", labels=pl.concat_list("label"), shelf=shelves)
    batch = pl.concat([base] * (BATCH // base.height))
    for start in range(0, count, BATCH):
        rows = batch.head(count - start).with_row_index("row", offset=start)
        rows.with_columns(
            id=pl.col("row").cast(pl.String), file=pl.lit("made"), row=pl.col("row").cast(pl.Int64)
        ).write_parquet(folder / f"rows-{start:09d}.parquet")


def formula() -> Signal:
    """Return ten signals joined."""
    brand, rival, product, blame = (
        library.contains(name, words)
        for name, words in (
            ("brand", BRANDS),
            ("rival", RIVALS),
            ("product", PRODUCTS),
            ("blame", BLAME),
        )
    )
    exclaims, digits = library.matches("exclaims", "!$"), library.matches("digits", "[0-9]")
    words, characters = library.length("words"), library.length("size", unit="characters")
    good = library.label_is("good", ["positive"])
    shelved = library.one_of("shelved", SHELVES, column="shelf")
    lengths = (words >= 4) & (characters < 200)
    return brand & product & ~blame & (exclaims | ~digits) & lengths & (good | shelved) & ~rival


def looped() -> list[tuple[str, Predicate]]:
    """Return the same ten as functions of a row."""

    def contains(words: list[str]) -> Predicate:
        pattern = re.compile(rf"(?i)\b(?:{'|'.join(words)})\b")
        return lambda row: pattern.search(str(row["text"])) is not None

    ends, digits = re.compile("!$"), re.compile("[0-9]")
    return [
        ("brand", contains(BRANDS)),
        ("rival", contains(RIVALS)),
        ("product", contains(PRODUCTS)),
        ("blame", contains(BLAME)),
        ("exclaims", lambda row: ends.search(str(row["text"])) is not None),
        ("digits", lambda row: digits.search(str(row["text"])) is not None),
        ("words", lambda row: len(str(row["text"]).split())),
        ("size", lambda row: len(str(row["text"]))),
        ("good", lambda row: "positive" in row["labels"]),  # type: ignore[operator]
        ("shelved", lambda row: row["shelf"] in SHELVES),
    ]


def loop(rows: list[dict[str, object]]) -> list[bool]:
    """Return which rows are chosen, one at a time."""
    signals, chosen = looped(), []
    for row in rows:
        if row["text"] is None:
            chosen.append(False)
            continue
        said = {name: read(row) for name, read in signals}
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


def one(folder: Path, count: int) -> None:
    """Select, loop, and print the figures."""
    chosen, seconds, first = 0, 0.0, None
    wanted = formula()
    for path in sorted(folder.glob("*.parquet")):
        batch = pl.read_parquet(path)
        started = time.perf_counter()
        found = select(batch, wanted)
        seconds += time.perf_counter() - started
        chosen += found.kept.height
        first = (
            first if first is not None else (batch.head(LOOPED), set(found.kept["row"].to_list()))
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    head, mine = first or (pl.DataFrame(), set())
    rows = head.to_dicts()
    started = time.perf_counter()
    theirs = loop(rows)
    loop_rate = len(rows) / (time.perf_counter() - started)
    same = {row["row"] for row, held in zip(rows, theirs, strict=True) if held}
    rate = count / seconds
    print(
        json.dumps(
            {
                "benchmark": "signals",
                "rows": count,
                "cores": os.cpu_count(),
                "processor": platform.processor() or platform.machine(),
                "signals": len(wanted.names),
                "formula": str(wanted),
                "selected": chosen,
                "rows_per_s": round(rate),
                "least_rows_per_s": LEAST_RATE,
                "loop_rows_per_s": round(loop_rate),
                "ratio": round(rate / loop_rate, 1),
                "least_ratio": LEAST_RATIO,
                "peak_mb": round(peak),
                "most_mb": MOST_MB,
                "same_choice": same == {row for row in mine if row < len(rows)},
            }
        )
    )


def main() -> None:
    """Make the rows, then measure in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.one, asked.rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder), asked.rows)
        again = [sys.executable, __file__, "--rows", str(asked.rows), "--one", folder]
        subprocess.run(again, check=True)


if __name__ == "__main__":
    main()
