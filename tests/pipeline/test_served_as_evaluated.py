"""Replaying every judged row over HTTP gives the answers that were judged."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from burnish.pipeline.run import Outcome
from burnish.runfolder import read_predictions

Rows = list[dict[str, object]]
COMMAND = "from burnish.cli.main import main; main()"


@contextmanager
def served(*arguments: str, folder: Path) -> Iterator[tuple[httpx.Client, "subprocess.Popen[str]"]]:
    """Run the command as a user does, on a free port."""
    log = folder / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", *arguments, "--port", "0"],
            stderr=file,
            text=True,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        )
    try:
        deadline = time.monotonic() + 120
        while not (found := re.search(r'"url": "(\S+)"', log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with httpx.Client(base_url=found[1], timeout=60) as client:
            yield client, process
    finally:
        process.kill()
        process.wait()


def test_every_judged_row_is_answered_as_it_was_judged(
    outcome: Outcome, test_rows: Rows, workplace: Path
) -> None:
    path = outcome.folder.predictions("tuned", outcome.verdict["split"])
    said = {one.example_id: one for one in read_predictions(path)}
    texts = [str(row["text"]) for row in test_rows]
    arguments = (str(outcome.folder.root), "--model", "registered=models:/clauses/1")
    with served(*arguments, "--max-queue", "500", folder=workplace) as (client, process):

        def ask(given: object, model: str = "run") -> list[dict[str, Any]]:
            found = client.post("/v1/predict", json={"input": given, "model": model}).json()
            versions.add(found["version"])
            return list(found["answers"])

        versions: set[str] = set()
        together, registered = ask(texts), ask(texts, "registered")
        alone = [ask(one)[0] for one in texts[:60]]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0

    assert len(versions) == 1
    assert len(together) == len(registered) == len(said)
    for answers in (together, registered, alone):
        for row, answer in zip(test_rows, answers, strict=False):
            before = said[str(row["id"])]
            assert tuple(answer["labels"]) == before.answer
            assert answer["scores"] == pytest.approx(before.scores, abs=1e-5)


def test_a_server_starts_without_anything_that_trains(outcome: Outcome) -> None:
    script = (
        "import sys\n"
        "from burnish.pipeline import serve\n"
        "from burnish.serving import app, openai, server\n"
        "from burnish.serving.opening import find\n"
        "engine = find('m', sys.argv[1], fetchers={}, precision='auto').load()\n"
        "engine.warm()\n"
        "names = ('lightning', 'pytorch_lightning', 'mlflow', 'hamilton', 'peft', 'sklearn', "
        "'torchmetrics', 'datasets', 'burnish.training.fit', 'burnish.training.module')\n"
        "print([name for name in names if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", script, str(outcome.folder.root)],
        capture_output=True, text=True, check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )  # fmt: skip

    assert done.stdout.strip() == "[]"
