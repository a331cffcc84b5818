"""A server whose page shows every tiny model, one of them as a run."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

NASTY = "word1 <img src=https://example.com/x.png onerror=alert(1)> word2"


@pytest.fixture(scope="session")
def run_folder(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny classifier with two rows, of which base and tuned answered one alike."""
    root = tmp_path_factory.mktemp("runs") / "clauses"
    shutil.copytree(folders["colours"], root / "model")
    for place in ("splits", "predictions"):
        (root / place).mkdir()
    (root / "recipe.yaml").write_text("name: clauses\n")
    pl.DataFrame({"id": ["a", "b"], "text": ["word3 word4", NASTY]}).write_parquet(
        root / "splits" / "test.parquet"
    )
    for system, second in (("tuned", ["red"]), ("base", ["blue"])):
        rows = [
            {"id": "a", "answer": ["green"], "reference": ["green"]},
            {"id": "b", "answer": second, "reference": ["<i>red</i>"]},
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (root / "predictions" / f"{system}.test.jsonl").write_text(lines)
    verdict = {"verdict": "ship", "metric": "macro_f1", "split": "test", "reasons": ["it <b> wins"]}
    (root / "verdict.json").write_text(json.dumps(verdict))
    score = {"system": "tuned", "split": "test", "metric": "macro_f1", "n": 2}
    scores = [score | {"value": 0.5, "low": 0.4, "high": 0.6}]
    (root / "scores.json").write_text(json.dumps(scores))
    return root


@pytest.fixture(scope="session")
def page(start: Any, find: Any, run_folder: Path) -> Iterator[Any]:
    with start(find("words", "chat", "plain", "short", clauses=run_folder)) as running:
        yield running
