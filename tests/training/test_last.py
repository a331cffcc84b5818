"""The last epoch beside the best: the very model that its own epoch was judged as."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.errors import CheckpointError
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.last import last_of
from burnish.training.modelfolder import Answerer
from burnish.training.predict import raw_outputs
from burnish.training.sources import ModelSource, resolve

Fit = Callable[..., FitResult]
LASTING = {"epochs": 30.0, "learning_rate": 0.03, "checkpoint_every_epoch": True}


@pytest.fixture
def tags(make_recipe: Callable[..., Recipe], space: LabelSpace) -> ClassificationTask:
    """A task whose labels each have a threshold to be chosen."""
    many = LabelSpace(names=space.names, multi_label=True)
    return ClassificationTask.from_recipe(make_recipe().task, many)


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("average", [None, 0.9])
def test_it_answers_as_the_model_of_the_last_epoch_by_thresholds_of_that_epoch(
    method: str,
    average: float | None,
    run: Fit,
    make_recipe: Callable[..., Recipe],
    tags: ClassificationTask,
    tiny: ModelSource,
    train: Encoded,
    choose: Encoded,
    hardware: Hardware,
    tmp_path: Path,
) -> None:
    # It ends as soon as an epoch is worse, so the last one is not the best.
    early = {"metric": "loss", "patience": 1}
    recipe = make_recipe(method={"kind": method}, average=average, early_stopping=early, **LASTING)
    best = run(recipe, task=tags)
    folder = tmp_path / "run" / "checkpoints"
    before = sorted(path.name for path in folder.iterdir())

    last = last_of(recipe, tags, tiny, train, choose, hardware=hardware, checkpoints=folder)
    saved = resolve(str(folder / f"epoch-{best.state.epoch:03d}"))
    of_epoch = Answerer.open(saved, hardware=hardware)

    assert (best.is_last, last.is_last) == (False, True)
    assert last.kept_epoch == best.state.epoch == best.kept_epoch + 1
    outputs, expected = (raw_outputs(one.model, choose, tags, hardware) for one in (last, of_epoch))
    np.testing.assert_allclose(outputs, expected, atol=1e-5)
    assert not np.allclose(outputs, raw_outputs(best.model, choose, tags, hardware), atol=1e-3)
    assert _thresholds(last.task) == pytest.approx(_thresholds(of_epoch.task))
    assert _thresholds(last.task) != _thresholds(best.task)
    assert sorted(path.name for path in folder.iterdir()) == before  # nothing was trained


@pytest.mark.parametrize("keys", [{"keep": "last"}, {"epochs": 1.0}, {"epochs": 0.5}])
def test_a_run_knows_that_it_kept_its_last_epoch(
    keys: dict[str, Any], run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    assert run(make_recipe(**keys)).is_last


def test_without_the_state_of_the_end_nothing_is_trained_in_its_place(
    make_recipe: Callable[..., Recipe],
    task: ClassificationTask,
    tiny: ModelSource,
    train: Encoded,
    choose: Encoded,
    hardware: Hardware,
    tmp_path: Path,
) -> None:
    with pytest.raises(CheckpointError, match=r"was not kept[\s\S]*evaluation.last: false"):
        last_of(make_recipe(), task, tiny, train, choose, hardware=hardware, checkpoints=tmp_path)


def _thresholds(task: Any) -> tuple[float, ...]:
    return tuple(task.thresholds)
