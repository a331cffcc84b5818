"""Time and memory of `burnish data select`, for rows that do and do not fit a tenth of the memory.

The made-up sentences that come with Burnish, repeated, in one file; the formula joins words, a
pattern and a length. The command runs on a tenth of the rows and then on all of them, each in a
process of its own. Prints one JSON line: rows a second, peak memory of both, and their ratio, which
is 1 where memory does not grow with the rows.

Run: `python benchmarks/select_rows.py`, with `--rows 10000000` and `--format csv` or `parquet`.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from burnish.data.synthesis.fill import make_up
from burnish.data.synthesis.made import shipped_spec

SENTENCES, MOST_RATIO = 20_000, 1.2
SIGNALS = {
    "brand": {"kind": "contains", "words": ["Norvik"]},
    "product": {"kind": "matches", "pattern": "shoes|boots|sneakers"},
    "long": {"kind": "length"},
}


def write_rows(path: Path, count: int) -> None:
    """Write `count` rows in the format of the path's name."""
    import polars as pl

    base = make_up(shipped_spec(rows=SENTENCES)).train.select("text")
    repeated = pl.concat([base] * -(-count // base.height)).head(count)
    frame = repeated.with_row_index("number").lazy()
    sinks = {".jsonl": frame.sink_ndjson, ".csv": frame.sink_csv, ".parquet": frame.sink_parquet}
    sinks[path.suffix](path)


def selected(path: Path, folder: Path) -> tuple[float, int]:
    """Run the command; return seconds, and its largest resident size in MB."""
    recipe, out = folder / "recipe.yaml", folder / f"out-{path.stem}"
    data = {"train": str(path), "signals": SIGNALS, "select": "brand & product & (long > 4)"}
    recipe.write_text(yaml.safe_dump({"task": "masked-lm", "model": "-", "data": data}), "utf-8")
    command = [str(Path(sys.executable).with_name("burnish")), "data", "select", str(recipe)]
    started = time.perf_counter()
    child = subprocess.Popen([*command, "--out", str(out)], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, f"the command ended with {status}"
    return time.perf_counter() - started, round(used.ru_maxrss / 1e3)


def main() -> None:
    """Make the rows, run the command on a tenth and on all, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--format", choices=["jsonl", "csv", "parquet"], default="jsonl")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, all_ = (folder / f"{size}.{asked.format}" for size in ("few", "all"))
        # In processes of their own: making rows takes more memory than selecting them.
        for path, count in ((few, asked.rows // 10), (all_, asked.rows)):
            write = f"write_rows(Path({str(path)!r}), {count})"
            here = str(Path(__file__).parent)
            code = f"import sys; sys.path.insert(0, {here!r}); from select_rows import *; {write}"
            subprocess.Popen([sys.executable, "-c", code]).wait()
        print(json.dumps(told(asked, folder, few, all_)))


def told(asked: argparse.Namespace, folder: Path, few: Path, all_: Path) -> dict[str, object]:
    """Return the line that is printed."""
    _, small = selected(few, folder)
    seconds, large = selected(all_, folder)
    return {
        "benchmark": "select_rows",
        "format": asked.format,
        "rows": asked.rows,
        "processor": platform.processor() or platform.machine(),
        "seconds": round(seconds, 1),
        "rows_per_s": round(asked.rows / seconds),
        "peak_mb_of_a_tenth": small,
        "peak_mb": large,
        "ratio": round(large / small, 2),
        "most_ratio": MOST_RATIO,
    }


if __name__ == "__main__":
    main()
