"""Which products oneDNN is asked to prepare a program for, and when."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from burnish.training.models import load_model
from burnish.training.packing import short_sizes
from burnish.training.products import prepare, unprepared
from burnish.training.sources import ModelSource


@pytest.fixture(autouse=True)
def medium() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_the_setting_is_put_back_by_the_last_to_leave() -> None:
    with unprepared():
        with unprepared():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "medium"


def test_the_setting_is_put_back_after_a_failure() -> None:
    with pytest.raises(RuntimeError, match="a failure"), unprepared():
        raise RuntimeError("a failure")
    assert torch.get_float32_matmul_precision() == "medium"


def test_each_shape_of_layer_is_multiplied_once_for_each_size(tiny: ModelSource, task: Any) -> None:
    model, seen = load_model(tiny, task), []
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear):
            layer.register_forward_hook(
                lambda one, given, _: seen.append((one.weight.shape, given[0].shape[1]))
            )

    prepare(model, [8, 32])

    shapes = {one.weight.shape for one in model.modules() if isinstance(one, torch.nn.Linear)}
    assert sorted(seen) == sorted((shape, size) for shape in shapes for size in (8, 32))


def test_short_packs_and_their_first_tokens_are_prepared() -> None:
    sizes = short_sizes()

    assert sizes == sorted(set(sizes))
    assert set(range(32, 513, 32)) <= set(sizes)
    assert set(range(8, 129, 8)) <= set(sizes)
