"""A run killed at any moment leaves only whole files, and goes on where it was."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish.data.starter import clauses
from burnish.runfolder import write_jsonl
from burnish.training.checkpoint import has_checkpoint, load_checkpoint

SEED = int(os.environ.get("BURNISH_TORTURE_SEED", "0"))
COUNT = int(os.environ.get("BURNISH_TORTURE_COUNT", "40"))
BURNISH = str(Path(sys.executable).with_name("burnish"))
LAST = "last"


def recipe(folder: Path) -> Path:
    """Write a recipe of a few short epochs that keeps every one of them."""
    write_jsonl(folder / "rows.jsonl", clauses("train").head(200).to_dicts())
    path = folder / "recipe.yaml"
    values = {
        "task": {"kind": "text-classification", "max_length": 64},
        "model": "sentence-transformers/all-MiniLM-L6-v2",
        "data": {"from": str(folder / "rows.jsonl"), "label": "labels"},
        "training": {"epochs": 4, "checkpoint_every_epoch": True},
        "evaluation": {"baselines": ["majority"], "resamples": 100},
        "tracking": {"trackers": []},
    }
    path.write_text(json.dumps(values), "utf-8")
    return path


@pytest.mark.torture
@pytest.mark.timeout(36_000)
def test_a_killed_run_leaves_whole_files_and_can_be_resumed(tmp_path: Path) -> None:
    path = recipe(tmp_path)
    chance = random.Random(SEED)
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    for number in range(COUNT):
        run = tmp_path / f"run-{number}"
        started = subprocess.Popen(
            [BURNISH, "run", str(path), "--out", str(run)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(3, 40))
        started.send_signal(signal.SIGKILL)
        started.wait()

        if has_checkpoint(run / "checkpoints", LAST):
            assert load_checkpoint(run / "checkpoints", LAST)
        for file in run.glob("*.json"):
            assert json.loads(file.read_text("utf-8")) is not None
        if (run / "recipe.yaml").exists():
            done = subprocess.run(
                [BURNISH, "resume", str(run)], env=environment, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
            assert (run / "report.html").exists()
