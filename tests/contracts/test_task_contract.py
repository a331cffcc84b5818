import json
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from burnish.recipe.task import ClassificationTask as Section
from burnish.recipe.training import Training
from burnish.records import LabelSpace
from burnish.tasks.base import TASKS, Task

SPACE = LabelSpace(names=("good", "bad"), multi_label=False, positive="bad")
ROWS = pl.DataFrame(
    {
        "id": ["a", "b", "c"],
        "text": ["one two three", "four", "five " * 30],
        "labels": [["good"], ["bad"], ["good"]],
    }
)


def words(texts: list[str], *, truncation: bool, **keys: Any) -> dict[str, list[list[int]]]:
    """Stand for a tokenizer: one token a word, by its length."""
    limit = keys.get("max_length") if truncation else None
    return {"input_ids": [[len(word) for word in text.split()][:limit] for text in texts]}


@pytest.fixture(params=TASKS.names())
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS.get(request.param).from_recipe(Section(max_length=16), SPACE)


def test_every_row_is_encoded_with_its_target_and_reference(task: Task) -> None:
    found = task.encode(ROWS, words)

    assert len(found) == len(found.targets) == len(found.references) == ROWS.height
    assert found.lengths.max() <= 16
    assert (found.rows_cut, found.tokens_lost) == (1, 14)


@pytest.mark.parametrize("packed", [True, False])
def test_a_batch_holds_every_token_of_its_rows(task: Task, packed: bool) -> None:
    encoded = task.encode(ROWS, words)

    batch = task.collate(encoded, [2, 0], packed=packed, pad_id=0)

    assert len(batch["targets"]) == 2
    tokens = batch["input_ids"][batch["input_ids"] > 0]
    assert tokens.sum() == encoded.tokens.sum() - 4


def test_the_loss_is_a_sum_over_rows(task: Task) -> None:
    encoded = task.encode(ROWS, words)
    task = task.for_training(Training(), encoded)
    logits = torch.randn(3, 2)

    def loss(rows: list[int]) -> float:
        batch = task.collate(encoded, rows, packed=False, pad_id=0)
        return float(task.loss(logits[rows], batch))

    assert loss([0, 1, 2]) == pytest.approx(loss([0]) + loss([1]) + loss([2]), rel=1e-5)


def test_selecting_metric_is_among_the_scores(task: Task) -> None:
    encoded = task.encode(ROWS, words)
    predictions = task.decode(np.zeros((3, 2), np.float32), encoded)

    assert task.metric in task.score(predictions)
    assert set(task.score(predictions)) == set(task.metric_names())
    assert isinstance(task.higher_is_better(task.metric), bool)


def test_tuning_gives_a_task_that_answers_the_same_rows(task: Task) -> None:
    encoded = task.encode(ROWS, words)
    outputs = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)

    tuned = task.tune(outputs, encoded)

    assert [one.example_id for one in tuned.decode(outputs, encoded)] == ["a", "b", "c"]


def test_a_task_can_be_written_to_json_and_read_back(task: Task) -> None:
    written = json.loads(json.dumps(task.to_json()))

    assert TASKS.get(written["kind"]).from_json(written).to_json() == task.to_json()


def test_the_head_tells_its_labels(task: Task) -> None:
    head = task.head()

    assert head["num_labels"] == len(head["id2label"])
