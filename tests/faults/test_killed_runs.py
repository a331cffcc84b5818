"""A run killed at any moment leaves only whole files, and goes on where it was."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burnish.data.starter import clauses
from burnish.files import write_jsonl
from burnish.training.checkpoint import has_checkpoint, load_checkpoint

SEED = int(os.environ.get("BURNISH_TORTURE_SEED", "0"))
COUNT = int(os.environ.get("BURNISH_TORTURE_COUNT", "40"))
BURNISH = str(Path(sys.executable).with_name("burnish"))
LAST = "last"
ENVIRONMENT = os.environ | {"HF_HUB_OFFLINE": "1"}


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


def burnish(*words: str) -> None:
    done = subprocess.run([BURNISH, *words], env=ENVIRONMENT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def answers(run: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in run.glob("predictions/tuned.*.jsonl")}


@pytest.mark.torture
@pytest.mark.timeout(36_000)
def test_a_killed_run_leaves_whole_files_and_resumed_answers_as_one_left_alone(
    tmp_path: Path,
) -> None:
    path = str(recipe(tmp_path))
    started = time.monotonic()
    burnish("run", path, "--out", str(tmp_path / "alone"))
    whole_run = time.monotonic() - started
    expected = answers(tmp_path / "alone")
    assert expected
    chance = random.Random(SEED)
    resumed = 0
    for number in range(COUNT):
        run = tmp_path / f"run-{number}"
        killed = subprocess.Popen(
            [BURNISH, "run", path, "--out", str(run)],
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.1, 1.1) * whole_run)
        killed.send_signal(signal.SIGKILL)
        killed.wait()

        if has_checkpoint(run / "checkpoints", LAST):
            assert load_checkpoint(run / "checkpoints", LAST)
        for file in run.glob("*.json"):
            assert json.loads(file.read_text("utf-8")) is not None
        if (run / "recipe.yaml").exists():
            burnish("resume", str(run))
            assert answers(run) == expected, f"killed in round {number}"
            assert (run / "report.html").exists()
            resumed += 1
        shutil.rmtree(run, ignore_errors=True)
    assert resumed > 0
