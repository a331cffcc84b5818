"""Time, memory, recall and precision of `burnish data dedupe` on a million short texts.

Nine of ten texts are drawn from a seed, 20 words each. The tenth is a copy of an earlier one with
one inner word replaced: 17 of 21 word pairs are shared, a Jaccard similarity of 0.81. Prints one
JSON line: wall seconds and the largest resident size of the command, the share of planted copies
that were left out for the right row, and the share of what was left out that had been planted.

Run: `python benchmarks/dedupe.py`, or with `--rows 100000` for a quick look.
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

WORDS, LENGTH, COPIES = 20_000, 20, 0.1
SIMILARITY = 0.8
MOST_SECONDS, MOST_MB, LEAST_RECALL, LEAST_PRECISION = 600, 4096, 0.95, 0.99


def write_rows(path: Path, count: int, seed: int) -> dict[int, int]:
    """Write `count` rows as JSON Lines; return the row of each copy → the row it repeats."""
    rng = np.random.default_rng(seed)
    copies = round(COPIES * count)
    rows = rng.integers(0, WORDS, (count - copies, LENGTH))
    sources = rng.choice(len(rows), copies, replace=False)
    changed = rows[sources]
    places = rng.integers(1, LENGTH - 1, copies)
    # Another word than the one that stood there.
    changed[np.arange(copies), places] += rng.integers(1, WORDS, copies)
    changed %= WORDS
    with path.open("w", encoding="utf-8") as file:
        for row in np.concatenate([rows, changed]).tolist():
            text = " ".join(f"w{word}" for word in row)
            file.write(json.dumps({"text": text, "kind": "made"}) + "\n")
    return {len(rows) + at + 1: int(source) + 1 for at, source in enumerate(sources)}


def main() -> None:
    """Make the rows, run the command, print what it took and found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "rows.jsonl", Path(folder) / "out"
        planted = write_rows(path, asked.rows, asked.seed)
        command = [str(Path(sys.executable).with_name("burnish")), "data", "dedupe", str(path)]
        started = time.perf_counter()
        subprocess.run(
            [*command, "--out", str(out), "--similarity", str(SIMILARITY)],
            check=True,
            capture_output=True,
        )
        seconds = time.perf_counter() - started
        lines = (out / "dropped.jsonl").read_text("utf-8").splitlines()
        kept = (out / "kept.jsonl").read_bytes().count(b"\n")
    found = {line["row"]: line["repeats_row"] for line in map(json.loads, lines)}
    right = sum(found.get(row) == source for row, source in planted.items())
    print(
        json.dumps(
            {
                "benchmark": "dedupe",
                "rows": asked.rows,
                "seed": asked.seed,
                "cores": os.cpu_count(),
                "processor": platform.processor() or platform.machine(),
                "seconds": round(seconds, 1),
                "most_seconds": MOST_SECONDS,
                "peak_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3),
                "most_mb": MOST_MB,
                "kept": kept,
                "recall": round(right / len(planted), 5),
                "least_recall": LEAST_RECALL,
                "precision": round(right / max(1, len(found)), 5),
                "least_precision": LEAST_PRECISION,
            }
        )
    )


if __name__ == "__main__":
    main()
