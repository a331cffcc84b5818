"""A pooler that says nothing is woken; one that was trained is left alone."""

import polars as pl
import pytest
import torch

from burnish.data.starter import clauses
from burnish.recipe.task import ClassificationTask as Section
from burnish.records import LabelSpace
from burnish.tasks.base import Encoded
from burnish.tasks.classification import ClassificationTask
from burnish.training.models import load_model, load_tokenizer, resolve
from burnish.training.pooler import WANTED_SIGNAL, wake_pooler

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


def test_the_starters_untrained_pooler_passes_on_the_first_token(
    task: ClassificationTask, encoded: Encoded
) -> None:
    model = load_model(resolve(STARTER), task)

    assert wake_pooler(model, encoded, task)

    weight = model.bert.pooler.dense.weight
    assert torch.equal(weight, torch.eye(len(weight)) * weight[0, 0])
    assert 1 < weight[0, 0] < WANTED_SIGNAL / 0.1


def test_a_pooler_with_a_signal_is_left_alone(task: ClassificationTask, encoded: Encoded) -> None:
    model = load_model(resolve(STARTER), task)
    wake_pooler(model, encoded, task)
    before = model.bert.pooler.dense.weight.detach().clone()

    assert not wake_pooler(model, encoded, task)

    assert torch.equal(model.bert.pooler.dense.weight, before)
