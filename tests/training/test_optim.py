from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import TrainingError
from burnish.recipe.recipe import Recipe
from burnish.recipe.training import Training
from burnish.tasks.classification import ClassificationTask
from burnish.training.models import load_model
from burnish.training.optim import Averaging, build_optimizer, rate_factor
from burnish.training.sources import ModelSource


@pytest.fixture
def model(tiny: ModelSource, task: ClassificationTask) -> Any:
    return load_model(tiny, task)


def group_of(optimizer: torch.optim.Optimizer, weight: Any) -> dict[str, Any]:
    return next(
        group for group in optimizer.param_groups if any(weight is one for one in group["params"])
    )


def test_biases_and_norms_are_not_decayed(model: Any, make_recipe: Callable[..., Recipe]) -> None:
    optimizer = build_optimizer(model, make_recipe(weight_decay=0.1).training)

    for name, weight in model.named_parameters():
        plain = name.endswith("bias") or "LayerNorm" in name
        assert group_of(optimizer, weight)["weight_decay"] == (0.0 if plain else 0.1), name


def test_lower_layers_learn_more_slowly_and_the_head_at_its_own_rate(
    model: Any, make_recipe: Callable[..., Recipe]
) -> None:
    training = make_recipe(learning_rate=1e-2, layer_decay=0.5, head_learning_rate=0.1).training

    optimizer = build_optimizer(model, training)

    def peak(name: str) -> float:
        return float(group_of(optimizer, model.get_parameter(name))["peak"])

    assert peak("classifier.weight") == 0.1
    assert peak("bert.pooler.dense.weight") == 0.1
    assert peak("bert.encoder.layer.2.output.dense.weight") == 1e-2
    assert peak("bert.encoder.layer.0.output.dense.weight") == 1e-2 * 0.25
    assert peak("bert.embeddings.word_embeddings.weight") == 1e-2 * 0.125


def test_nothing_to_train_is_told(model: Any, make_recipe: Callable[..., Recipe]) -> None:
    model.requires_grad_(False)

    with pytest.raises(TrainingError, match=r"BN501[\s\S]*no weight"):
        build_optimizer(model, make_recipe().training)


@given(
    st.integers(1, 200),
    st.floats(0, 0.9),
    st.sampled_from(["linear", "cosine", "constant"]),
)
def test_the_rate_rises_to_the_peak_and_falls_after_it(
    steps: int, warmup: float, schedule: Any
) -> None:
    training = Training(warmup=warmup, schedule=schedule)
    warm = round(warmup * steps)

    rates = [rate_factor(step, steps, training) for step in range(steps)]

    assert all(0 < rate <= 1 for rate in rates)
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[warm:] == sorted(rates[warm:], reverse=True)
    if warm < steps:
        assert rates[warm] == 1


def test_the_average_follows_the_weights_and_can_stand_in_for_them() -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    average = Averaging([weight], decay=0.5)
    weight.data += 8

    average.update(step=100)
    average.swap()
    assert weight.tolist() == [4, 4]
    average.swap()

    assert weight.tolist() == [8, 8]
    assert average.values[0].tolist() == [4, 4]
