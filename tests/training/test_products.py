"""Which products oneDNN is asked to prepare a program for, and when."""

from collections.abc import Iterator

import pytest
import torch

from burnish.training.products import unprepared


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
