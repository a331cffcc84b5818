"""A run that is asked for its last epoch judges it beside the best, under a name of its own."""

from pathlib import Path

import polars as pl
import pytest

from burnish.errors import UnknownPluginError
from burnish.evaluation.report.render import render
from burnish.files import read_json
from burnish.pipeline.answer import answer_texts, open_model
from burnish.pipeline.driver import build
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.run import Outcome, resume, run
from burnish.recipe.load import load_recipe
from burnish.records import Prediction
from burnish.runfolder import read_predictions

from .conftest import small_recipe

# It ends as soon as an epoch is worse, so the last one is not the best.
WORSE = (
    "training.epochs=12",
    "training.learning_rate=0.02",
    "training.early_stopping={metric: loss, patience: 1}",
    "task.calibrated=false",  # the models of epochs are as they were learned
)


@pytest.fixture(scope="module")
def with_last(workplace: Path) -> Outcome:
    """A finished run that was asked for its last epoch, which is not its best."""
    recipe = small_recipe(workplace, "evaluation.last=true", *WORSE)
    return run(recipe, out=workplace / "with-last")


def answers(outcome: Outcome, system: str) -> list[Prediction]:
    return read_predictions(outcome.folder.predictions(system, outcome.verdict["split"]))


def test_best_and_last_are_both_tested_under_names_that_tell_them_apart(
    with_last: Outcome,
) -> None:
    training = read_json(with_last.folder.manifest)["training"]
    systems = {s.system for s in with_last.scores if s.split == with_last.verdict["split"]}
    best, last = answers(with_last, "tuned"), answers(with_last, "last")

    assert training["kept_epoch"] == training["epochs"] - 1
    assert {"tuned", "last", "majority"} <= systems
    assert [one.example_id for one in last] == [one.example_id for one in best]
    assert [one.scores for one in last] != [one.scores for one in best]
    assert "at the end of training" in with_last.folder.report.read_text("utf-8")


def test_the_last_epoch_answers_as_the_model_that_was_kept_of_it(with_last: Outcome) -> None:
    folder, split = with_last.folder, with_last.verdict["split"]
    number = round(read_json(folder.manifest)["training"]["epochs"])
    model = open_model(str(folder.checkpoints / f"epoch-{number:03d}"), tracking_uri="none")
    rows = pl.read_parquet(folder.splits / f"{split}.parquet")
    texts = dict(rows.select("id", "text").iter_rows())

    last = answers(with_last, "last")
    again = answer_texts(model, [texts[one.example_id] for one in last])

    for one, other in zip(last, again, strict=True):
        assert one.answer == other.answer
        assert one.scores == pytest.approx(other.scores, abs=1e-5)


def test_the_last_epoch_is_no_rival(with_last: Outcome) -> None:
    told = with_last.verdict

    assert "last" in {one["b"] for one in told["comparisons"]}
    assert not any("last" in reason.split() for reason in told["reasons"])
    recipe = small_recipe(
        with_last.folder.root, "evaluation.last=true", "evaluation.gates=[{over: last}]"
    )
    with pytest.raises(UnknownPluginError, match="no rival called 'last'"):
        check_plugins(recipe)


def test_a_run_that_goes_on_and_a_report_made_again_have_it_too(with_last: Outcome) -> None:
    before = answers(with_last, "last")
    folder = with_last.folder
    folder.predictions("last", with_last.verdict["split"]).unlink()
    cut_short = folder.checkpoints / ".last-9.safetensors.ab12_xyz"  # as a kill leaves it
    cut_short.write_bytes(b"half")

    again = resume(load_recipe(folder.recipe), folder)

    assert answers(again, "last") == before
    assert not cut_short.exists()
    assert "at the end of training" in render(folder).read_text("utf-8")


def test_where_the_last_epoch_is_the_best_both_names_have_its_answers(workplace: Path) -> None:
    recipe = small_recipe(workplace, "evaluation.last=true", "training.keep=last")
    outcome = run(recipe, out=workplace / "keeps-last")

    assert answers(outcome, "last") == answers(outcome, "tuned")


def test_a_saved_run_is_a_start_without_it(with_last: Outcome) -> None:
    graph = build("presaved")
    inputs = {"run_folder": with_last.folder.root}

    told = graph.execute(["arms"], inputs=inputs)["arms"]

    assert "tuned" in told
    assert "last" not in told
