"""The four outputs, by name, from Hamilton's own driver: trained, or from a saved run."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from burnish.errors import RunFolderError, UsageError
from burnish.files import read_json
from burnish.pipeline.driver import Progress
from burnish.pipeline.run import run
from burnish.runfolder import RunFolder, read_predictions
from burnish.training.modelfolder import Answerer

OUTPUTS = [
    "save_best_models",
    "finetuned_model_on_validation_set",
    "training_and_validation_set_metrics",
    "hold_out_set_predictions",
]
COLUMNS = ["id", "input", "references", "answer"]
ROUGE = {"rouge1", "rouge2", "rougeL", "rougeLsum"}

Made = tuple[str, dict[str, Any], Path]
Inputs = Callable[..., dict[str, Any]]
Execute = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", params=["causal-lm", "seq2seq"])
def trained(
    request: pytest.FixtureRequest,
    inputs: Inputs,
    execute: Execute,
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:
    """The kind, the four outputs of a start from the base model, and the run folder."""
    out = tmp_path_factory.mktemp("made") / "run"
    return request.param, execute(OUTPUTS, inputs(request.param, out=str(out))), out


def said(frame: pl.DataFrame) -> list[tuple[str, str]]:
    return sorted(frame.select("id", "answer").iter_rows())


def test_the_four_outputs_are_what_their_names_say(trained: Made) -> None:
    _, out, folder = trained
    held_out, validated = out["hold_out_set_predictions"], out["finetuned_model_on_validation_set"]
    metrics = out["training_and_validation_set_metrics"]

    assert out["save_best_models"] == folder / "model"
    assert held_out.columns == validated.answers.columns == COLUMNS
    assert held_out.height == validated.answers.height == 12
    assert held_out["references"].to_list()[0] == [" ".join(held_out["input"][0].split()[-2:])]
    assert set(metrics) == {"train", "validation"}
    assert {"loss", "perplexity"} <= set(metrics["train"])
    assert ROUGE | {"loss", "perplexity"} <= set(metrics["validation"])
    assert validated.metrics == metrics["validation"]


@pytest.mark.parametrize("kind", ["causal-lm", "seq2seq"])
def test_the_end_of_training_is_asked_what_the_epoch_kept_is_asked(
    kind: str, inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    early = {"training.early_stopping": {"metric": "loss", "patience": 1}}
    fast = {"training.learning_rate": 0.3, "evaluation.last": True}  # soon an epoch is worse
    given = inputs(
        kind, out=tmp_path, num_train_epochs=30, validation_size=0.4, settings=early | fast
    )  # no rows are held out, so those that chose are the judged ones

    out = execute(["arms", "fitted", "scores"], given)
    kept, last = out["arms"]["tuned"].judged, out["arms"]["last"].judged
    losses = {one.system: one.value for one in out["scores"] if one.metric == "loss"}
    told = [one["metrics"] for one in out["fitted"].history if one["kind"] == "epoch"]

    assert not out["fitted"].is_last
    assert [one.example_id for one in last] == [one.example_id for one in kept]
    assert losses["last"] == pytest.approx(told[-1]["validation/loss"], rel=1e-4)
    assert losses["tuned"] == pytest.approx(min(x["validation/loss"] for x in told), rel=1e-4)


def test_the_saved_weights_are_the_fitted_ones(
    trained: Made, place: Path, inputs: Inputs, execute: Execute
) -> None:
    kind, out, _ = trained
    saved = load_file(out["save_best_models"] / "model.safetensors")
    base = load_file(place / kind / "model.safetensors")
    held_out = out["hold_out_set_predictions"]

    answers = Answerer.open(out["save_best_models"]).answer(held_out["input"].to_list())
    untouched = execute(["base_answers"], inputs(kind))["base_answers"].judged

    assert saved.keys() == base.keys()
    assert any(not torch.equal(saved[name], base[name]) for name in saved)
    assert [one.answer[0] for one in answers] == held_out["answer"].to_list()
    assert [one.answer[0] for one in untouched] != held_out["answer"].to_list()


@pytest.mark.parametrize("order", [OUTPUTS, OUTPUTS[::-1], OUTPUTS[2:], OUTPUTS[1:2]])
def test_a_saved_run_gives_the_same_outputs_without_training(
    order: list[str], trained: Made, inputs: Inputs, execute: Execute
) -> None:
    _, out, folder = trained
    before = sorted(path.stat().st_mtime_ns for path in folder.rglob("*"))

    found = execute([*order, "fitted"], {"run_folder": str(folder)}, start="presaved")

    assert found["fitted"].cost()["steps"] == 0
    assert sorted(path.stat().st_mtime_ns for path in folder.rglob("*")) == before
    for name in order:
        if name == "hold_out_set_predictions":
            assert said(found[name]) == said(out[name])
        elif name == "save_best_models":
            assert found[name] == out[name]
        elif name == "finetuned_model_on_validation_set":
            assert said(found[name].answers) == said(out[name].answers)
        else:
            for split, metrics in out[name].items():
                assert found[name][split] == pytest.approx(metrics, abs=1e-5)


def test_the_order_of_the_outputs_does_not_matter(
    trained: Made, inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    kind, out, _ = trained

    found = execute(OUTPUTS[::-1], inputs(kind, out=str(tmp_path / "run")))

    assert said(found["hold_out_set_predictions"]) == said(out["hold_out_set_predictions"])
    assert load_file(found["save_best_models"] / "model.safetensors").keys()
    assert (
        found["training_and_validation_set_metrics"] == out["training_and_validation_set_metrics"]
    )


def test_the_same_inputs_find_the_run_they_made(
    trained: Made, inputs: Inputs, execute: Execute, tmp_path: Path, monkeypatch: Any
) -> None:
    kind, out, folder = trained
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunFolderError, match="none in `runs/`"):
        execute(["save_best_models"], inputs(kind), start="presaved")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "20260101T000000Z-run").symlink_to(folder)

    found = execute(OUTPUTS[::-1], inputs(kind), start="presaved")

    assert said(found["hold_out_set_predictions"]) == said(out["hold_out_set_predictions"])
    assert found["save_best_models"].resolve() == folder / "model"


@pytest.mark.parametrize(
    "other", [{"random_state": 1}, {"num_train_epochs": 3}, {"settings": {"method": "lora"}}]
)
def test_inputs_that_are_not_those_of_the_saved_run_are_refused(
    other: dict[str, Any], trained: Made, inputs: Inputs, execute: Execute
) -> None:
    kind, _, folder = trained

    with pytest.raises(UsageError, match="the saved run was made with"):
        execute(OUTPUTS, inputs(kind, run_folder=str(folder), **other), start="presaved")


def test_saving_fits_and_judges_nothing_that_was_not_asked_for(
    inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    told: list[str] = []
    progress = Progress(lambda name, _: told.append(name))

    execute(["save_best_models"], inputs("causal-lm", out=tmp_path / "run"), adapters=(progress,))

    assert told.index("fitted") < told.index("model_folder") < told.index("save_best_models")
    assert not {"base_answers", "rival_predictions", "tuned_predictions", "scores"} & {*told}


def test_only_the_split_that_is_asked_for_is_answered(trained: Made, execute: Execute) -> None:
    _, _, folder = trained
    given = {"run_folder": folder}

    found = execute(["tuned_answers", "hold_out_set_predictions"], given, start="presaved")

    assert list(found["tuned_answers"].answered) == ["test"]


def test_asking_for_rows_makes_no_run_folder(
    inputs: Inputs, execute: Execute, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)

    found = execute(["splits", "encoded", "task"], inputs("seq2seq"))

    assert {name: part.height for name, part in found["splits"].items()} == {
        "train": 36, "validation": 12, "test": 12,
    }  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_report_by_the_graph_and_a_run_by_the_command_are_one_path(
    inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    progress = Progress(None)

    made = execute(
        ["recipe", "report", "verdict"],
        inputs("seq2seq", out=tmp_path / "graph"),
        adapters=(progress,),
    )
    outcome = run(made["recipe"], out=tmp_path / "command")
    saved = execute(
        ["hold_out_set_predictions"], {"run_folder": outcome.folder.root}, start="presaved"
    )["hold_out_set_predictions"]

    graph, command = RunFolder(tmp_path / "graph"), outcome.folder
    names = {path.name for path in graph.root.rglob("*") if path.is_file()}
    assert names == {path.name for path in command.root.rglob("*") if path.is_file()} - {
        "tracking.json"
    }
    systems = ("tuned", "base", "retrieval")
    ours, theirs = (
        {one: read_predictions(folder.predictions(one, "test")) for one in systems}
        for folder in (graph, command)
    )
    assert ours == theirs
    assert read_json(graph.scores) == read_json(command.scores)
    assert saved["answer"].to_list() == [one.answer[0] for one in theirs["tuned"]]
    assert made["verdict"] == outcome.verdict
    assert graph.recipe.read_text("utf-8") == command.recipe.read_text("utf-8")
    assert read_json(graph.manifest)["timings"]["fitted"] > 0
    assert "rougeL" in (graph.model / "README.md").read_text("utf-8")


def test_a_classifier_has_the_same_four_outputs(
    inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    given = inputs("text-classification", out=tmp_path / "run")

    made = execute(OUTPUTS, given)
    again = execute(OUTPUTS[::-1], {"run_folder": tmp_path / "run"}, start="presaved")

    held_out = made["hold_out_set_predictions"]
    assert held_out.columns == COLUMNS
    assert held_out["answer"].dtype == pl.List(pl.String)
    assert held_out["answer"].to_list() == again["hold_out_set_predictions"]["answer"].to_list()
    assert {"loss", "f1"} <= set(made["training_and_validation_set_metrics"]["train"])


@pytest.mark.parametrize(
    "training",
    [
        # A rate at which the last epoch is not the best.
        {"learning_rate": 0.1, "early_stopping": {"metric": "loss", "patience": 9}},
        {"label_smoothing": 0.5, "imbalance": {"loss": "class-weights"}, "learning_rate": 3e-3},
    ],
    ids=["epoch", "loss"],
)
def test_a_saved_classifier_has_the_epoch_and_the_losses_of_its_training(
    training: dict[str, Any], inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    settings = {f"training.{key}": value for key, value in training.items()}
    given = inputs("text-classification", num_train_epochs=6, out=tmp_path, settings=settings)
    asked = ["training_and_validation_set_metrics", "fitted"]
    out = execute([*asked, "save_best_models"], given)

    found = execute(asked, {"run_folder": str(tmp_path)}, start="presaved")

    assert found["fitted"].kept_epoch == out["fitted"].kept_epoch
    for split, metrics in out["training_and_validation_set_metrics"].items():
        again = found["training_and_validation_set_metrics"][split]
        assert again == pytest.approx(metrics, abs=1e-5)


def test_a_saved_run_is_reported_anew_in_a_folder_of_its_own(
    trained: Made, execute: Execute, tmp_path: Path
) -> None:
    _, out, folder = trained
    given = {"run_folder": folder, "out": tmp_path / "again"}

    found = execute(["report", "tuned_predictions"], given, start="presaved")

    assert found["report"].parent == tmp_path / "again"
    assert said(out["hold_out_set_predictions"]) == sorted(
        (one.example_id, one.answer[0]) for one in found["tuned_predictions"]["test"]
    )


def test_an_adapter_is_saved_and_found_again(
    inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    given = inputs("causal-lm", out=tmp_path / "run", settings={"method": "lora", "method.rank": 4})

    made = execute(OUTPUTS, given)
    again = execute(OUTPUTS, given | {"run_folder": tmp_path / "run"}, start="presaved")

    assert (made["save_best_models"] / "adapter_model.safetensors").is_file()
    assert said(again["hold_out_set_predictions"]) == said(made["hold_out_set_predictions"])
