"""What a finished run keeps beside predictions and scores: recipe, manifest, ledger, history."""

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from burnish.data.ledger import ledger_json
from burnish.files import write_json, write_jsonl, write_text
from burnish.records import Finding, LedgerEntry, Space
from burnish.runfolder import RunFolder


@pytest.fixture(scope="session")
def write_records() -> Callable[[RunFolder, Space, int], None]:
    """Writes those files for a run of so many judged rows."""
    return _write_records


def _write_records(folder: RunFolder, space: Space, count: int) -> None:
    recipe = (
        "version: 1\nname: unfair-tos\ntask:\n  kind: text-classification\n  multi_label: true\n"
        "model: sentence-transformers/all-MiniLM-L6-v2\ndata:\n  from: hub:coastalcph/lex_glue\n"
        "method:\n  kind: full\ntraining:\n  epochs: 6\n  learning_rate: 0.0001\n"
    )
    write_text(folder.recipe, recipe)
    write_json(folder.manifest, _manifest(space, count))
    write_json(folder.ledger, ledger_json(_ledger(count)))
    write_jsonl(folder.findings, (finding.to_json() for finding in _findings()))
    write_jsonl(folder.history, _history())


def _manifest(space: Space, count: int) -> dict[str, Any]:
    digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    return {
        "burnish": "0.1.0",
        "created": "2026-11-21T06:00:00Z",
        "recipe_sha256": digest,
        "git_commit": "4f1c2d9",
        "inputs": [
            {"path": "data/train.jsonl", "sha256": digest, "rows": 5532},
            {"path": "data/validation.jsonl", "sha256": digest[::-1], "rows": count + 5},
        ],
        "splits": {"train": 4958, "tune": 551, "validation": count},
        "label_space": space.to_json(),
        "seeds": {"split": 0, "training": 0, "bootstrap": 0},
        "versions": {"python": "3.11.9", "torch": "2.13.0", "transformers": "5.23.0"},
        "machine": {"processor": "AMD EPYC", "cores": 2, "memory_gb": 24, "platform": "Linux"},
        "hardware": {
            "device": "cpu", "precision": "bf16", "threads": 2, "matmul": "medium",
            "tokens_per_batch": 1024,
            "notes": ["bf16: the processor multiplies it 4.1 times as fast as fp32."],
        },
        "model": {
            "reference": "sentence-transformers/all-MiniLM-L6-v2", "revision": None,
            "origin": "starter package", "parameters": 22_716_296, "trainable": 22_716_296,
        },
        "timings": {"load": 0.9, "check": 2.4, "encode": 1.8, "train": 412.7, "predict": 9.1},
        "training": {
            "seconds": 412.7, "epochs": 6, "kept_epoch": 4, "tokens_per_second": 5212.0,
            "samples_per_second": 104.6, "peak_memory_mb": 1843.0,
        },
        "truncated": {"train": {"rows_cut": 12, "tokens_lost": 431}},
    }  # fmt: skip


def _ledger(count: int) -> list[LedgerEntry]:
    return [
        LedgerEntry(stage="read", split="train", rows_in=5532, kept=5532),
        LedgerEntry(stage="read", split="validation", rows_in=count + 5, kept=count + 5),
        LedgerEntry(
            stage="check", split="train", rows_in=5532, kept=5515, dropped={"empty-text": 17}
        ),
        LedgerEntry(
            stage="check", split="validation", rows_in=count + 5, kept=count,
            dropped={"null-text": 3, "empty-text": 2},
        ),
        LedgerEntry(stage="split", split="train", rows_in=5515, kept=4964, moved={"tune": 551}),
        LedgerEntry(stage="leaks", split="train", rows_in=4964, kept=4958, dropped={"leak": 6}),
        LedgerEntry(
            stage="encode", split="train", rows_in=4958, kept=4958, rows_cut=12, tokens_lost=431
        ),
    ]  # fmt: skip


def _findings() -> list[Finding]:
    return [
        Finding(
            code="near-duplicates", severity="info", message="31 rows nearly repeat another one",
            count=31, action="warn", split="train", file="data/train.jsonl", row=88,
        ),
        Finding(
            code="conflicting-labels", severity="warning", count=4, action="warn", split="train",
            message="4 rows have the text of another row and other labels",
            file="data/train.jsonl", row=1207,
        ),
    ]  # fmt: skip


def _history() -> list[dict[str, Any]]:
    rng = random.Random(3)
    steps = [
        {
            "step": step, "epoch": step / 155, "kind": "step",
            "metrics": {
                "train/loss_step": 0.62 * math.exp(-step / 160) + 0.03 + abs(rng.gauss(0, 0.02)),
                "learning_rate": 1e-4 * min(step / 93, (930 - step) / 837),
            },
        }
        for step in range(10, 931, 10)
    ]  # fmt: skip
    losses, scores = (0.21, 0.13, 0.11, 0.105, 0.112, 0.118), (0.44, 0.66, 0.73, 0.775, 0.77, 0.768)
    epochs = [
        {
            "step": 155 * e, "epoch": e, "kind": "epoch",
            "metrics": {"validation/loss": loss, "validation/lexglue_macro_f1": value},
        }
        for e, (loss, value) in enumerate(zip(losses, scores, strict=True), 1)
    ]  # fmt: skip
    return steps + epochs
