"""Selection by ten ready signals, beside two loops over rows: rows a second, and peak memory.

The rows are the made-up sentences that come with Burnish, repeated to as many as asked, in Parquet
files. Burnish decides them batch by batch, and then does all that `burnish data select` does:
reads the files, writes the rows that are kept, traces each, and tells of each other row why not.
The loops of `signals_by_row.py` take the first rows; all must choose the same ones. `over_loop` and
`over_tree` compare deciding with deciding; `over_logged` compares it with a loop that also logs
each row, and `written_over_logged` all of `burnish data select` with that. Prints one JSON line.
Signals of language, sentiment and encoders are not among the ten.

Run: `python benchmarks/signals.py`, and `--rows 10000000` to see that memory stays the same.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import yaml
from signals_by_row import BLAME, BRANDS, PRODUCTS, RIVALS, SHELVES, Row, as_logged, plainly

from burnish.data.signals.declared import formula_of
from burnish.data.signals.select import select
from burnish.data.sources import find_written
from burnish.data.streamed import StreamedRows
from burnish.data.synthesis.fill import make_up
from burnish.data.synthesis.made import shipped_spec
from burnish.pipeline.selecting import write_selected
from burnish.recipe.load import load_recipe
from burnish.recipe.recipe import Recipe

FILE, LOOPED, LOGGED = 200_000, 20_000, 5_000  # rows
LEAST_RATE, LEAST_RATIO, MOST_MB = 500_000, 300, 1000
SENTENCES = 20_000
RECIPE = {
    "version": 1,
    "name": "ten-signals",
    "task": {"kind": "text-classification"},
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    "data": {
        "signals": {
            "brand": {"kind": "contains", "words": BRANDS},
            "rival": {"kind": "contains", "words": RIVALS},
            "product": {"kind": "contains", "words": PRODUCTS},
            "blame": {"kind": "contains", "words": BLAME},
            "exclaims": {"kind": "matches", "pattern": "!$"},
            "digits": {"kind": "matches", "pattern": "[0-9]"},
            "words": {"kind": "length"},
            "size": {"kind": "length", "unit": "characters"},
            "good": {"kind": "label", "labels": ["positive"]},
            "shelved": {"kind": "one-of", "column": "shelf", "values": SHELVES},
        },
        "select": "brand & product & ~blame & (exclaims | ~digits) & (words >= 4) & (size < 200)"
        " & (good | shelved) & ~rival",
    },
}


def write_rows(folder: Path, count: int) -> Recipe:
    """Write `count` rows as Parquet files, and return a recipe that selects of them."""
    made = make_up(shipped_spec(rows=SENTENCES)).train
    shelves = pl.Series(["a", "b", "c", "d"] * (made.height // 4))
    base = made.select("text", "label", shelf=shelves)
    rows = pl.concat([base] * (FILE // base.height))
    for start in range(0, count, FILE):
        rows.head(count - start).write_parquet(folder / f"rows-{start:09d}.parquet")
    return _recipe(folder)


def _recipe(folder: Path) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return load_recipe(path, [f"data.train={folder}/*.parquet"])


def decided(recipe: Recipe) -> tuple[int, float]:
    """Return how many rows are chosen, and the seconds it took to decide, without the reading."""
    sources = find_written(recipe.data)
    rows, wanted = StreamedRows.of(recipe, sources, labelled=True), formula_of(recipe)
    assert wanted is not None
    chosen, seconds = 0, 0.0
    for file in sources["train"]:
        for batch, _ in rows.batches(file):
            started = time.perf_counter()
            chosen += select(batch, wanted).kept.height
            seconds += time.perf_counter() - started
    return chosen, seconds


def written(recipe: Recipe, out: Path) -> float:
    """Do all that `burnish data select` does; return the seconds it took."""
    started = time.perf_counter()
    write_selected(recipe, out)
    return time.perf_counter() - started


def kept_of_first(out: Path) -> set[int]:
    """Return which rows of the first file were kept."""
    lineage = pl.scan_ndjson(out / "lineage.jsonl")
    first = lineage.filter(pl.col("from").str.ends_with(f"-{0:09d}.parquet")).collect()
    return set(first["from_row"].to_list())


def looped(rows: list[Row], loop: Callable[[list[Row]], list[bool]]) -> tuple[set[int], float]:
    """Return the numbers of the rows that a loop chooses, from 1, and its rows a second."""
    started = time.perf_counter()
    chosen = loop(rows)
    rate = len(rows) / (time.perf_counter() - started)
    return {number for number, is_chosen in enumerate(chosen, 1) if is_chosen}, rate


def one(folder: Path, count: int) -> None:
    """Select, loop, and print the figures."""
    recipe = _recipe(folder)
    chosen, seconds = decided(recipe)
    peak = _peak_mb()
    all_seconds = written(recipe, folder / "selected")
    peak_written = _peak_mb()
    kept = kept_of_first(folder / "selected")
    first = pl.read_parquet(folder / f"rows-{0:09d}.parquet", n_rows=LOOPED)
    rows = first.with_columns(labels=pl.concat_list("label")).drop("label").to_dicts()
    theirs, plain_rate = looped(rows, plainly)
    by_tree, tree_rate = looped(rows, lambda some: as_logged(some, None))
    by_log, log_rate = looped(rows[:LOGGED], lambda some: as_logged(some, folder))
    rate, written_rate = count / seconds, count / all_seconds
    same = theirs == by_tree == {row for row in kept if row <= len(rows)}
    told = {
        "benchmark": "signals",
        "rows": count,
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "signals": len(recipe.data.signals),
        "selected": chosen,
        "same_choice": same and by_log == {row for row in kept if row <= LOGGED},
        "rows_per_s": round(rate),
        "least_rows_per_s": LEAST_RATE,
        "written_rows_per_s": round(written_rate),
        "loop_rows_per_s": round(plain_rate),
        "tree_rows_per_s": round(tree_rate),
        "logged_rows_per_s": round(log_rate),
        "over_loop": round(rate / plain_rate, 1),
        "over_tree": round(rate / tree_rate, 1),
        "over_logged": round(rate / log_rate, 1),
        "written_over_logged": round(written_rate / log_rate, 1),
        "least_written_over_logged": LEAST_RATIO,
        "peak_mb": peak,
        "peak_written_mb": peak_written,
        "most_mb": MOST_MB,
    }
    print(json.dumps(told))


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


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
