"""Whoever opens the model gets the answers that were evaluated."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from burnish.files import read_json
from burnish.pipeline.answer import answer_texts, open_model
from burnish.pipeline.run import Outcome
from burnish.runfolder import read_predictions
from burnish.tracking.mlflow import download

Rows = list[dict[str, object]]


@pytest.fixture(scope="module")
def said(outcome: Outcome) -> dict[str, tuple[tuple[str, ...], dict[str, float]]]:
    path = outcome.folder.predictions("tuned", outcome.verdict["split"])
    return {p.example_id: (p.answer, p.scores) for p in read_predictions(path)}


def agree(
    said: object, rows: Rows, answers: list[tuple[tuple[str, ...], dict[str, float]]]
) -> None:
    for row, (answer, scores) in zip(rows, answers, strict=True):
        before, before_scores = said[row["id"]]  # type: ignore[index]
        assert answer == before
        assert scores == pytest.approx(before_scores, abs=1e-5)


def test_the_run_folder_answers_as_evaluated(
    outcome: Outcome, test_rows: Rows, said: object, workplace: Path
) -> None:
    model = open_model(str(outcome.folder.root), tracking_uri="sqlite:///burnish.db")

    answers = answer_texts(model, [str(row["text"]) for row in test_rows])

    agree(said, test_rows, [(a.answer, a.scores) for a in answers])


def test_the_registered_model_answers_as_evaluated(
    outcome: Outcome, test_rows: Rows, said: object, workplace: Path
) -> None:
    model = open_model("models:/clauses/1", tracking_uri="sqlite:///burnish.db")

    answers = answer_texts(model, [str(row["text"]) for row in test_rows[:20]])

    agree(said, test_rows[:20], [(a.answer, a.scores) for a in answers])


def test_the_registered_model_says_what_it_consists_of(outcome: Outcome, workplace: Path) -> None:
    root = download("models:/clauses/1", f"sqlite:///{workplace}/burnish.db").parents[1]

    told = (root / "model_summary.txt").read_text("utf-8")

    total = read_json(outcome.folder.manifest)["model"]["parameters"]
    assert told.startswith(f"BertForSequenceClassification: {total:,} weights")
    assert "BertLayer" in told


@pytest.mark.filterwarnings("ignore")  # transformers' pipeline warns of its own defaults
def test_transformers_pipeline_on_the_model_folder_answers_as_evaluated(
    outcome: Outcome, test_rows: Rows, said: object
) -> None:
    from transformers import pipeline

    classify = pipeline(
        "text-classification", model=str(outcome.folder.model), top_k=None, truncation=True
    )
    facts = read_json(outcome.folder.model / "burnish.json")
    thresholds = dict(zip(facts["labels"], facts["thresholds"], strict=True))

    answers = []
    for row in test_rows[:40]:
        scores = {one["label"]: one["score"] for one in classify([str(row["text"])])[0]}
        names = [n for n, t in thresholds.items() if scores[n] >= t]
        answers.append((tuple(names), {n: scores[n] for n in thresholds}))

    agree(said, test_rows[:40], answers)


@pytest.mark.filterwarnings("ignore")  # MLflow warns of its own defaults
def test_mlflow_loads_the_registered_model(
    outcome: Outcome, test_rows: Rows, said: dict[str, object], workplace: Path
) -> None:
    import mlflow
    import pandas as pd

    mlflow.set_tracking_uri(f"sqlite:///{workplace}/burnish.db")
    mlflow.set_registry_uri(f"sqlite:///{workplace}/burnish.db")
    try:
        loaded = mlflow.pyfunc.load_model("models:/clauses/1")
    finally:
        # Other tests open stores of their own in this process.
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        os.environ.pop("MLFLOW_REGISTRY_URI", None)  # which MLflow sets and forgets

    table = loaded.predict(pd.DataFrame({"text": [str(row["text"]) for row in test_rows[:5]]}))

    assert [tuple(a) for a in table["answer"]] == [said[str(r["id"])][0] for r in test_rows[:5]]  # type: ignore[index]


@pytest.mark.filterwarnings("ignore")  # MLflow warns of its own defaults
def test_mlflow_serves_the_registered_model(
    outcome: Outcome, test_rows: Rows, said: object, workplace: Path
) -> None:
    import pandas as pd
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ["--env-manager", "local", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/clauses/1"]
    here = str(Path(sys.executable).parent)  # where MLflow finds what it starts
    server = subprocess.Popen(
        [*command, *options],
        env=os.environ
        | {
            "MLFLOW_TRACKING_URI": f"sqlite:///{workplace}/burnish.db",
            "PATH": f"{here}{os.pathsep}{os.environ['PATH']}",
        },
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        client = ScoringServerClient("127.0.0.1", port)
        client.wait_server_ready(timeout=120, scoring_server_proc=server)
        table = pd.DataFrame({"text": [str(row["text"]) for row in test_rows[:5]]})
        found = client.invoke(table).get_predictions()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()

    answers = [tuple(one) for one in found["answer"]]
    agree(said, test_rows[:5], list(zip(answers, found["scores"], strict=True)))


def test_answers_do_not_depend_on_the_company_they_are_in(
    outcome: Outcome, test_rows: Rows, workplace: Path
) -> None:
    model = open_model(str(outcome.folder.root), tracking_uri="sqlite:///burnish.db")
    texts = [str(row["text"]) for row in test_rows[:8]]

    together = answer_texts(model, texts)
    alone = [answer_texts(model, [text])[0] for text in texts]

    for one, other in zip(together, alone, strict=True):
        assert np.allclose(list(one.scores.values()), list(other.scores.values()), atol=1e-5)
