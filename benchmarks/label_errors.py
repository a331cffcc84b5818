"""How well `burnish data label-errors` finds labels that were made wrong on purpose.

Of a data set's training rows a share gets another label: a row with labels loses them, or has one
of the others in their place; a row without gets one. Prints one JSON line: of the hundred rows
ranked first the share that was made wrong, beside that of a hundred drawn at random; and macro F1
on the validation rows of the `tfidf-svm` baseline, trained with and without the flagged rows.

Run: `python benchmarks/label_errors.py --data ../shared/data/unfair_tos`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from burnish.data.labels import settle_labels
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.baselines.base import from_frame
from burnish.evaluation.baselines.tfidf_svm import TfidfSvm
from burnish.evaluation.metrics.table import METRICS
from burnish.recipe.task import ClassificationTask

TOP, METRIC = 100, "lexglue_macro_f1"


def made_wrong(
    labels: list[list[int]], share: float, seed: int
) -> tuple[list[list[int]], set[int]]:
    """Return labels of which a share of rows is wrong, and which rows they are."""
    rng = np.random.default_rng(seed)
    names = sorted({name for row in labels for name in row})
    chosen = set(rng.choice(len(labels), round(share * len(labels)), replace=False).tolist())
    changed = [list(row) for row in labels]
    for at in sorted(chosen):
        others = [name for name in names if name not in labels[at]]
        emptied = labels[at] and rng.random() < 0.5
        changed[at] = [] if emptied else [int(rng.choice(others))]
    return changed, chosen


def score(train: pl.DataFrame, validation: pl.DataFrame) -> float:
    """Return the baseline's macro F1 on the validation rows."""
    parts = {"train": train, "validation": validation}
    canonical = {
        name: frame.select(
            id=pl.int_range(pl.len()).cast(pl.String),
            text=pl.col("text"),
            raw_label=pl.col("labels").cast(pl.List(pl.String)),
            group=pl.col("document").cast(pl.String),
            file=pl.lit(name),
            row=pl.int_range(1, pl.len() + 1),
        )
        for name, frame in parts.items()
    }
    task = ClassificationTask(multi_label=True)
    space, settled = settle_labels(task, canonical, label_column="labels")
    rows = {name: from_frame(frame, space) for name, frame in settled.items()}
    rival = TfidfSvm()
    rival.fit(rows["train"], None, space, 0)
    answers = from_predictions(rival.predict(rows["validation"]), space)
    return float(METRICS.get(METRIC).function(answers))


def main() -> None:
    """Make labels wrong, run the command, print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="train.jsonl, validation.jsonl")
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    train = pl.read_ndjson(asked.data / "train.jsonl")
    validation = pl.read_ndjson(asked.data / "validation.jsonl")
    labels, wrong = made_wrong(train["labels"].to_list(), asked.share, asked.seed)
    noisy = train.with_columns(labels=pl.Series(labels, dtype=pl.List(pl.Int64)))
    with tempfile.TemporaryDirectory() as folder:
        noisy.write_ndjson(Path(folder) / "train.jsonl")
        recipe = {
            "task": {"kind": "text-classification", "multi_label": True},
            "model": "-",
            "data": {"train": f"{folder}/train.jsonl", "label": "labels", "group": "document"},
            "split": {"validation": 0, "test": 0},  # every row is one to learn from
        }
        (Path(folder) / "recipe.yaml").write_text(json.dumps(recipe), "utf-8")
        command = [str(Path(sys.executable).with_name("burnish")), "data", "label-errors"]
        started = time.perf_counter()
        subprocess.run(
            [*command, f"{folder}/recipe.yaml", "--out", f"{folder}/out"],
            check=True,
            capture_output=True,
        )
        seconds = time.perf_counter() - started
        lines = (Path(folder) / "out" / "label-errors.jsonl").read_text("utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    flagged = {line["row"] - 1 for line in found if line["flagged"]}
    kept = noisy[[at for at in range(noisy.height) if at not in flagged]]
    top = [line["row"] - 1 in wrong for line in found[:TOP]]
    print(
        json.dumps(
            {
                "benchmark": "label_errors",
                "rows": noisy.height,
                "share": asked.share,
                "seed": asked.seed,
                "cores": os.cpu_count(),
                "seconds": round(seconds, 1),
                "precision_at_100": float(np.mean(top)),
                "precision_at_random": round(len(wrong) / noisy.height, 4),
                "flagged": len(flagged),
                "wrong_among_flagged": len(flagged & wrong),
                "wrong": len(wrong),
                "validation_f1_all_rows": round(score(noisy, validation), 4),
                "validation_f1_without_flagged": round(score(kept, validation), 4),
                "validation_f1_right_labels": round(score(train, validation), 4),
            }
        )
    )


if __name__ == "__main__":
    main()
