"""Time and memory of `burnish check` on a million rows, beside merely parsing them.

The rows are made from a seed: texts of about 35 words drawn from a skewed vocabulary, some of
them copies or near-copies of earlier ones, eight labels of which a row has any number, and a
document each belongs to. Prints one JSON line: wall seconds and the largest resident size of
`burnish check`, the limits they are held to, and the seconds that Python's own parser takes for
the same lines.

Run: `python benchmarks/check_million.py`, or with `--rows 100000` for a quick look.
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
from pathlib import Path

import numpy as np

LABELS = [f"matter {n}" for n in range(8)]
WORDS = 30_000
COPIES, NEAR_COPIES = 0.02, 0.03  # share of rows
ROWS_IN_DOCUMENT = 50
MOST_SECONDS, MOST_MB = 60, 2048
RECIPE = {
    "name": "million",
    "task": {"kind": "text-classification", "labels": LABELS, "multi_label": True},
    "model": "sentence-transformers/all-MiniLM-L6-v2",
    # Copies stand in any document, so that leaks are found and rows dropped for them.
    "data": {
        "label": "labels",
        "group": "document",
        "checks": [{"kind": "leak", "action": "drop"}],
    },
}


def write_rows(path: Path, count: int, seed: int = 0) -> None:
    """Write `count` rows as JSON Lines."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(97, 123, size=(WORDS, 12), dtype=np.uint8)
    sizes = rng.integers(2, 13, size=WORDS)
    words = [bytes(row[:size]).decode() for row, size in zip(letters, sizes, strict=True)]
    often = 1 / np.arange(1, WORDS + 1)
    kinds = rng.choice(3, size=count, p=[1 - COPIES - NEAR_COPIES, COPIES, NEAR_COPIES])
    earlier: list[list[str]] = []
    with path.open("w", encoding="utf-8") as file:
        for number, kind in enumerate(kinds):
            if number % 10_000 == 0:
                lengths = np.clip(rng.lognormal(3.45, 0.45, 10_000), 4, 200).astype(int)
                drawn = rng.choice(WORDS, size=lengths.sum(), p=often / often.sum())
                ends = np.cumsum(lengths)
            at = ends[number % 10_000]
            text = [words[w] for w in drawn[at - lengths[number % 10_000] : at]]
            if kind and earlier:
                text = list(earlier[rng.integers(len(earlier))])
            if kind == 2:
                text[rng.integers(len(text))] = words[rng.integers(WORDS)]
            if len(earlier) < 50_000:
                earlier.append(text)
            has = rng.random(8) < 0.12
            row = {
                "text": " ".join(text),
                "labels": [name for name, yes in zip(LABELS, has, strict=True) if yes],
                "document": f"d{number // ROWS_IN_DOCUMENT}",
            }
            file.write(json.dumps(row) + "\n")


def parse_seconds(path: Path) -> float:
    """Return how long Python's parser takes for the file, row by row."""
    start = time.perf_counter()
    with path.open(encoding="utf-8") as file:
        for line in file:
            json.loads(line)
    return time.perf_counter() - start


def check(folder: Path) -> dict[str, float | bool]:
    """Run `burnish check` in a process of its own and return what it took."""
    start = time.perf_counter()
    done = subprocess.run(
        [Path(sys.executable).with_name("burnish"), "check", folder / "recipe.yaml", "--json"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - start
    assert done.returncode == 0, done.stderr[-3000:]
    kept = json.loads(done.stdout)["ledger"]["totals"]["kept"]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "rows_kept": sum(kept.values()),
    }


def main() -> None:
    """Make the rows, check them, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = folder / "rows.jsonl"
        write_rows(rows, given.rows)
        recipe = RECIPE | {"data": RECIPE["data"] | {"train": str(rows)}}  # type: ignore[operator]
        (folder / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
        told = check(folder)
        result = {
            "benchmark": "check_million",
            "rows": given.rows,
            "file_mb": round(rows.stat().st_size / 2**20),
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "burnish_check": told,
            "within_limits": told["seconds"] <= MOST_SECONDS and told["peak_mb"] <= MOST_MB,
            "limits": {"seconds": MOST_SECONDS, "peak_mb": MOST_MB},
            "plain_parse_seconds": round(parse_seconds(rows), 1),
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
