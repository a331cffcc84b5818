"""What an export of a classifier answers as the model it came from, for every architecture."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from burnish.errors import UnknownPluginError
from burnish.files import read_json
from burnish.recipe.training import LoraMethod
from burnish.tasks.classification import ClassificationTask
from burnish.training.exports import EXPORTS
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS
from burnish.training.modelfolder import Answerer
from burnish.training.models import load_model, load_tokenizer
from burnish.training.packing import ANATOMIES
from burnish.training.sources import resolve

FORMS = ("merged", "onnx")
META = {"name": "colours", "base_model": "owner/tiny", "method": "lora", "scores": []}


@pytest.fixture
def answerer(
    save_tiny_model: Callable[..., Path],
    task: ClassificationTask,
    hardware: Hardware,
    tmp_path: Path,
) -> Callable[..., Answerer]:
    def make(kind: str = "bert", *, adapters: bool = False) -> Answerer:
        source = resolve(str(save_tiny_model(tmp_path / "tiny", kind)))
        model = load_model(source, task)
        if adapters:
            model = METHODS.get("lora").prepare(model, LoraMethod(rank=2)).eval()
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.data.normal_(std=0.1)
        tokenizer = load_tokenizer(source, task)
        return Answerer(model=model, tokenizer=tokenizer, task=task, hardware=hardware)

    return make


def written(answerer: Answerer, form: str, folder: Path, rows: pl.DataFrame) -> Any:
    """Return probabilities before and after an export, shape (n, classes) each."""
    encoded = answerer.task.encode(rows, answerer.tokenizer)
    export = EXPORTS.get(form)
    folder.mkdir()
    export.write(answerer, META, folder)
    answers = (answerer.answer_rows(rows), export.open(folder)(encoded))
    return tuple(np.array([list(one.scores.values()) for one in each]) for each in answers)


@pytest.mark.parametrize("kind", sorted(ANATOMIES))
@pytest.mark.parametrize("form", FORMS)
def test_rows_of_any_length_get_the_outputs_they_had(
    form: str,
    kind: str,
    answerer: Callable[..., Answerer],
    made_rows: Callable[..., pl.DataFrame],
    tmp_path: Path,
) -> None:
    before, after = written(answerer(kind), form, tmp_path / "out", made_rows(40))

    np.testing.assert_allclose(after, before, atol=2e-5)


@pytest.mark.parametrize("form", FORMS)
def test_adapters_are_added_in_and_the_model_given_keeps_them(
    form: str,
    answerer: Callable[..., Answerer],
    made_rows: Callable[..., pl.DataFrame],
    tmp_path: Path,
) -> None:
    adapted = answerer(adapters=True)

    before, after = written(adapted, form, tmp_path / "out", made_rows(10))

    np.testing.assert_allclose(after, before, atol=2e-5)
    assert hasattr(adapted.model, "get_base_model")
    assert not list((tmp_path / "out").glob("adapter*"))


@pytest.mark.parametrize("form", FORMS)
def test_labels_thresholds_and_how_to_open_it_stand_beside_the_weights(
    form: str,
    answerer: Callable[..., Answerer],
    made_rows: Callable[..., pl.DataFrame],
    tmp_path: Path,
) -> None:
    folder = tmp_path / "out"

    written(answerer(), form, folder, made_rows(4))

    assert read_json(folder / "burnish.json")["labels"] == ["red", "green", "blue"]
    assert (folder / "tokenizer.json").is_file()
    card = (folder / "README.md").read_text()
    assert {"merged": "pipeline(", "onnx": "InferenceSession("}[form] in card


def test_a_form_that_is_not_known_is_answered_with_the_near_one() -> None:
    with pytest.raises(UnknownPluginError, match="option --format") as raised:
        EXPORTS.get("onxx")

    assert raised.value.fix == "use 'onnx'"
