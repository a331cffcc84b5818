"""One real run of the starter model on a few made-up clauses, shared by the tests here."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.pipeline.run import Outcome, run
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe
from burnish.recipe.starter import starter_path


def small_recipe(folder: Path, *overrides: str) -> Recipe:
    """Return the starter recipe cut down to seconds, with its store in `folder`."""
    from burnish.recipe.document import read_document

    document: Document = read_document(starter_path())
    return validate(
        document,
        [
            "data.limit=96",
            "training.epochs=1",
            "training.checkpoint_every_epoch=true",
            "evaluation.resamples=200",
            "evaluation.baselines=[majority, tfidf-svm]",
            f"tracking.uri=sqlite:///{folder}/burnish.db",
            f"tracking.folder={folder}/tensorboard",
            "tracking.trackers=[mlflow, tensorboard]",
            "tracking.register=clauses",
            "tracking.system_metrics=false",
            *overrides,
        ],
    )


@pytest.fixture(scope="session")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that stands for the user's working directory."""
    folder = tmp_path_factory.mktemp("work")
    before = Path.cwd()
    offline = os.environ.get("HF_HUB_OFFLINE")
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.chdir(folder)
    yield folder
    os.chdir(before)
    if offline is None:
        del os.environ["HF_HUB_OFFLINE"]


@pytest.fixture(scope="session")
def outcome(workplace: Path) -> Outcome:
    """A finished run, tracked in MLflow and TensorBoard."""
    return run(small_recipe(workplace), out=workplace / "run")


@pytest.fixture(scope="session")
def test_rows(outcome: Outcome) -> list[dict[str, object]]:
    """The rows of the judged split, as dictionaries."""
    import polars as pl

    path = outcome.folder.splits / f"{outcome.verdict['split']}.parquet"
    rows: list[dict[str, object]] = json.loads(pl.read_parquet(path).write_json())
    return rows
