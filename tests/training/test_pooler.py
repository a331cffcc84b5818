"""Behind a pooler that says nothing a head reads the mean; a trained one is left alone."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from burnish.data.starter import clauses
from burnish.recipe.classification import ClassificationTask as Section
from burnish.recipe.training import LoraMethod, Training
from burnish.records import LabelSpace
from burnish.tasks.base import Batch
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.training.averaging import averages
from burnish.training.hardware import probe
from burnish.training.methods import METHODS
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.models import load_model, load_tokenizer
from burnish.training.pooler import average_tokens
from burnish.training.predict import embeddings, raw_outputs
from burnish.training.sources import resolve

STARTER = "sentence-transformers/all-MiniLM-L6-v2"
NAMES = ("arbitration", "jurisdiction")


@pytest.fixture(scope="module")
def task() -> ClassificationTask:
    space = LabelSpace(names=NAMES, multi_label=True)
    return ClassificationTask.from_recipe(Section(max_length=64), space)


@pytest.fixture(scope="module")
def encoded(task: ClassificationTask) -> Encoded:
    rows = clauses("train").head(48)
    frame = pl.DataFrame({"id": [str(i) for i in range(48)], "text": rows["text"]})
    return task.encode(frame, load_tokenizer(resolve(STARTER), task))


def test_the_starters_head_reads_the_mean_of_all_tokens(
    task: ClassificationTask, encoded: Encoded
) -> None:
    model = load_model(resolve(STARTER), task)
    batch = task.collate(encoded, list(range(48)), packed=False, pad_id=0)
    before = _last_states(model, batch)
    means = torch.from_numpy(embeddings(model.bert, encoded, probe(Training(precision="fp32"))))

    assert average_tokens(model, encoded, task)

    first = before[:, 0] + 4 * means  # each token sees itself too, through the residual path
    expected = F.layer_norm(F.layer_norm(first, first.shape[1:]), first.shape[1:])
    torch.testing.assert_close(_last_states(model, batch)[:, 0], expected, atol=1e-4, rtol=1e-4)
    assert model.config.num_hidden_layers == 7


def _last_states(model: Any, batch: Batch) -> torch.Tensor:
    with torch.inference_mode():
        states: torch.Tensor = model.bert(
            batch["input_ids"], batch["attention_mask"]
        ).last_hidden_state
    return states


def test_packed_rows_are_answered_as_padded_ones(
    task: ClassificationTask, encoded: Encoded
) -> None:
    model = load_model(resolve(STARTER), task)
    average_tokens(model, encoded, task)
    hardware = probe(Training(precision="fp32"))

    packed, padded = (raw_outputs(model, encoded, task, hardware, packed=p) for p in (True, False))

    np.testing.assert_allclose(packed, padded, atol=1e-5)


def test_a_pooler_with_a_signal_is_left_alone(task: ClassificationTask, encoded: Encoded) -> None:
    model = load_model(resolve(STARTER), task)
    average_tokens(model, encoded, task)
    before = model.bert.pooler.dense.weight.detach().clone()

    assert not average_tokens(model, encoded, task)

    assert torch.equal(model.bert.pooler.dense.weight, before)


def test_adapters_over_an_averaging_layer_find_it_again(
    task: ClassificationTask, encoded: Encoded, tmp_path: Path
) -> None:
    source = resolve(STARTER)
    model = load_model(source, task)
    average_tokens(model, encoded, task)
    adapted = METHODS.get("lora").prepare(model, LoraMethod())
    expected = raw_outputs(adapted, encoded, task, probe(Training(precision="fp32")))

    save_model_folder(tmp_path / "a", adapted, load_tokenizer(source, task), task, meta={})

    opened = Answerer.open(tmp_path / "a")
    assert averages(opened.model)
    np.testing.assert_allclose(
        raw_outputs(opened.model, encoded, task, opened.hardware), expected, atol=1e-6
    )
    assert averages(load_model(resolve(str(tmp_path / "a")), task))
