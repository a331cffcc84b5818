"""What a program hands in becomes one recipe, from whatever library the rows are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hamilton import driver
from hamilton.ad_hoc_utils import create_temporary_module

from burnish.errors import ModelTaskError, RecipeError, UnknownPluginError, UsageError
from burnish.pipeline import nodes
from burnish.pipeline.driver import build
from burnish.pipeline.stage import Stage
from burnish.pipeline.start import BASE, PRESAVED
from burnish.recipe.load import load_recipe
from burnish.records import TextSpace
from burnish.tracking.base import MemoryTracker

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "hamilton.md"

Inputs = Callable[..., dict[str, Any]]
Execute = Callable[..., dict[str, Any]]
Rows = list[dict[str, str]]

COLUMNS: dict[str, Callable[[Rows], Any]] = {
    "list": list,
    "columns": lambda rows: {name: [row[name] for row in rows] for name in rows[0]},
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "arrow": pa.Table.from_pylist,
}


@pytest.mark.parametrize("kind", ["causal-lm", "seq2seq", "text-classification"])
def test_inputs_are_keys_of_a_recipe_and_the_model_tells_the_task(
    kind: str, inputs: Inputs, execute: Execute
) -> None:
    recipe = execute(["recipe"], inputs(kind, random_state=5))["recipe"]

    assert recipe.task.kind == kind
    assert (recipe.columns.text, recipe.columns.answer) == (
        "question",
        "size" if kind == "text-classification" else "reply",
    )
    assert (recipe.split.validation, recipe.split.test, recipe.split.seed) == (0.2, 0.2, 5)
    assert (recipe.training.seed, recipe.training.epochs) == (5, 1)
    assert recipe.tracking.trackers == ()


def test_what_is_left_out_is_as_in_any_recipe(place: Path, execute: Execute) -> None:
    given = {"data_path": place / "data.json", "model_id": place / "seq2seq"}

    recipe = execute(["recipe"], given)["recipe"]

    assert (recipe.data.input, recipe.data.output) == ("input", "output")
    assert (recipe.split.validation, recipe.split.test) == (0.1, 0.1)
    assert recipe.training.epochs == 4


def test_settings_may_be_nested_or_have_dots_and_a_bare_kind(
    inputs: Inputs, execute: Execute
) -> None:
    settings = {"method": "lora", "training": {"warmup": 0.25}, "name": "mine"}

    recipe = execute(["recipe"], inputs("causal-lm", settings=settings))["recipe"]

    assert (recipe.method.kind, recipe.training.warmup, recipe.name) == ("lora", 0.25, "mine")
    assert recipe.training.batch_size == 8


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"data_path": None}, UsageError, "needs rows and a model"),
        ({"model_id": None}, UsageError, "needs rows and a model"),
        ({"rows": []}, UsageError, "both given"),
        ({"train_size": 0.9}, UsageError, "are more than 1"),
        ({"settings": {"training.epoch": 1}}, RecipeError, "did you mean `epochs`"),
        ({"settings": {"evaluation.baselines": ["led"]}}, UnknownPluginError, "led"),
        (
            {"settings": {"task": "causal-lm", "task.prompt": "{input}"}},
            ModelTaskError,
            "has no model for causal-lm",
        ),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_any_training(
    changes: dict[str, Any], error: type[Exception], words: str, inputs: Inputs, execute: Execute,
    tmp_path: Path,
) -> None:  # fmt: skip
    given = inputs("seq2seq", out=tmp_path / "run", **changes)

    with pytest.raises(error, match=words):
        execute(["hold_out_set_predictions"], given)


def test_a_model_that_does_not_tell_its_task_is_told_how_to_name_it(
    inputs: Inputs, execute: Execute, place: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    weights = place / "seq2seq" / "model.safetensors"
    (tmp_path / "model.safetensors").write_bytes(weights.read_bytes())

    with pytest.raises(RecipeError, match="BertModel does not tell the task"):
        execute(["recipe"], inputs("seq2seq", model_id=tmp_path, settings={}))


def test_a_tracker_that_is_handed_in_is_told_the_curve(
    inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    tracker = MemoryTracker()
    settings = {"tracking.trackers": ["mlflow"]}

    with pytest.raises(UsageError, match="none is handed in"):
        execute(["fitted"], inputs("seq2seq", out=tmp_path / "a", settings=settings))
    execute(["fitted"], inputs("seq2seq", out=tmp_path / "b", tracker=tracker))

    assert any("train/loss" in told for _, told in tracker.metrics)


@pytest.mark.parametrize("library", COLUMNS)
def test_rows_may_come_from_any_library(
    library: str, made_rows: Rows, inputs: Inputs, execute: Execute
) -> None:
    from_file = execute(["splits"], inputs("seq2seq"))["splits"]
    given = inputs("seq2seq", data_path=None, rows=COLUMNS[library](made_rows))

    found = execute(["splits", "recipe"], given)

    for name, part in from_file.items():
        wanted = part.select("text", "labels")
        assert sorted(found["splits"][name].select("text", "labels").rows()) == sorted(
            wanted.rows()
        )
    assert Path(found["recipe"].data.from_, "train.jsonl").is_file()


def test_rows_may_come_divided_and_with_gaps(
    made_rows: Rows, inputs: Inputs, execute: Execute
) -> None:
    train = pd.DataFrame(made_rows[:40])
    train.loc[3, "reply"] = None
    rows = {"train": train, "validation": made_rows[40:50], "test": pl.DataFrame(made_rows[50:])}

    found = execute(["splits", "ledger"], inputs("seq2seq", data_path=None, rows=rows))

    assert {name: part.height for name, part in found["splits"].items()} == {
        "train": 39,
        "validation": 10,
        "test": 10,
    }
    assert sum(sum(entry.dropped.values()) for entry in found["ledger"]) == 1


@pytest.mark.parametrize("wrong", [3, "text", ["text"], [1, 2]])
def test_what_is_no_table_is_refused(wrong: Any, inputs: Inputs, execute: Execute) -> None:
    with pytest.raises(UsageError, match="is no table of rows"):
        execute(["splits"], inputs("seq2seq", data_path=None, rows=wrong))


def test_a_run_on_rows_of_a_program_can_be_done_again_from_its_recipe(
    made_rows: Rows, inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    given = inputs("seq2seq", data_path=None, rows=made_rows, out=tmp_path / "run")

    made = execute(["manifest_file", "splits"], given)
    recipe = load_recipe(tmp_path / "run" / "recipe.yaml")
    again = execute(["splits"], {}, overrides={"recipe": recipe})

    assert made["manifest_file"].is_file()
    for name, part in made["splits"].items():
        assert part.equals(again["splits"][name])


def canonical(frame: Any) -> pl.DataFrame:
    """Return the frame of the pipeline, made by hand of another library's."""
    rows = frame.to_dict("records") if isinstance(frame, pd.DataFrame) else frame
    return pl.DataFrame(
        {
            "id": [str(at) for at in range(len(rows))],
            "text": [row["question"] for row in rows],
            "labels": [[row["reply"]] for row in rows],
            "group": [None] * len(rows),
            "file": ["mine"] * len(rows),
            "row": range(1, len(rows) + 1),
        },
        schema_overrides={"group": pl.String, "row": pl.Int64},
    )


@pytest.mark.parametrize("library", ["pandas", "list"])
def test_the_splits_may_be_replaced_with_frames_of_another_library(
    library: str, made_rows: Rows, inputs: Inputs, execute: Execute, tmp_path: Path
) -> None:
    parts = {"train": made_rows[:40], "validation": made_rows[40:50], "test": made_rows[50:]}
    frames = {name: canonical(COLUMNS[library](rows)) for name, rows in parts.items()}
    given = inputs("causal-lm", data_path="not-read.json", out=tmp_path / "run")

    found = execute(
        ["hold_out_set_predictions", "training_and_validation_set_metrics"],
        given,
        overrides={"divided": Stage(rows=frames, entries=()), "label_space": TextSpace()},
    )

    asked = [row["question"] for row in made_rows[50:]]
    assert sorted(found["hold_out_set_predictions"]["input"]) == sorted(asked)


def test_a_node_may_be_replaced_by_a_function_of_ones_own(inputs: Inputs, execute: Execute) -> None:
    whole = execute(["splits"], inputs("seq2seq"))["splits"]

    def splits(fitting: Stage) -> dict[str, pl.DataFrame]:
        """Half of the training rows."""
        return fitting.rows | {"train": fitting.rows["train"].head(18)}

    mine = create_temporary_module(splits, module_name="mine")
    builder = driver.Builder().with_modules(nodes, mine).allow_module_overrides()
    found = builder.build().execute(["splits", "encoded"], inputs=inputs("seq2seq"))

    assert found["splits"]["train"].equals(whole["train"].head(18))
    assert len(found["encoded"]["train"]) == 18


def test_the_guide_tells_every_input_of_the_graph() -> None:
    told = GUIDE.read_text("utf-8")
    names = {
        one.name
        for start in (BASE, PRESAVED)
        for one in build(start).list_available_variables()
        if one.is_external_input
    }

    assert names >= {"data_path", "model_id", "run_folder"}
    assert [name for name in names if f"`{name}`" not in told and f'"{name}"' not in told] == []
