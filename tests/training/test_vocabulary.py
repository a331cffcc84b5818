from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.training.hardware import Hardware
from burnish.training.models import load_model
from burnish.training.packing import logits as batch_logits
from burnish.training.predict import raw_outputs
from burnish.training.sources import ModelSource
from burnish.training.vocabulary import train_used_rows, use_whole_table, whole_table

TABLE = "bert.embeddings.word_embeddings.weight"


@pytest.fixture
def model(tiny: ModelSource, task: ClassificationTask) -> Any:
    torch.manual_seed(0)
    return load_model(tiny, task, dropout=0.0)


def learn(model: Any, encoded: Encoded, task: ClassificationTask) -> None:
    """Make two plain steps without weight decay on the first eight rows."""
    weights = [one for one in model.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-2, weight_decay=0.0)
    model.train()
    batch = task.collate(encoded, range(8), packed=True, pad_id=0)
    for _ in range(2):
        optimizer.zero_grad()
        task.loss(batch_logits(model, batch), batch).backward()
        optimizer.step()
    model.eval()


def test_training_the_rows_that_occur_equals_training_the_whole_table(
    model: Any,
    tiny: ModelSource,
    task: ClassificationTask,
    train: Encoded,
    choose: Encoded,
    hardware: Hardware,
) -> None:
    torch.manual_seed(0)
    whole = load_model(tiny, task, dropout=0.0)
    train_used_rows(model, train.inputs.tokens[: train.inputs.offsets[8]], pad_id=0)

    learn(model, train, task)
    learn(whole, train, task)

    found = raw_outputs(model, choose, task, hardware)
    np.testing.assert_allclose(found, raw_outputs(whole, choose, task, hardware), atol=1e-5)


def test_tokens_that_do_not_occur_stay_exactly_as_they_were(
    model: Any, task: ClassificationTask, train: Encoded
) -> None:
    before = model.get_parameter(TABLE).detach().clone()
    occurring = np.union1d(train.inputs.tokens[: train.inputs.offsets[8]], [0])
    train_used_rows(model, train.inputs.tokens[: train.inputs.offsets[8]], pad_id=0)

    learn(model, train, task)
    use_whole_table(model)

    moved = (model.get_parameter(TABLE) != before).any(dim=1)
    assert set(moved.nonzero()[:, 0].tolist()) <= set(occurring.tolist())
    assert moved.sum() >= len(occurring) - 1
    assert model.get_parameter(TABLE).requires_grad


def test_the_model_is_saved_with_its_ordinary_table(model: Any, tmp_path: Path) -> None:
    names = set(model.state_dict())
    train_used_rows(model, np.array([5, 6], np.int32), pad_id=0)

    with whole_table(model):
        assert set(model.state_dict()) == names
    assert set(model.state_dict()) != names


def test_a_frozen_table_is_left_alone(model: Any) -> None:
    table = model.get_input_embeddings()
    table.requires_grad_(False)

    train_used_rows(model, np.array([5], np.int32), pad_id=0)

    assert model.get_input_embeddings() is table
