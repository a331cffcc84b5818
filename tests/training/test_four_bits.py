"""A layer held in 4 bits: its weight, its product, its gradient, and what it refuses."""

import sys
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from burnish.errors import HardwareError, MissingPackageError
from burnish.training.methods import qlora
from burnish.training.methods.low_rank import adapted
from burnish.training.methods.qlora import FourBitLinear, HalfLinear


def test_weights_are_those_of_the_library_s_own_layer() -> None:
    import bitsandbytes

    torch.manual_seed(0)
    layer = nn.Linear(128, 96).requires_grad_(False)
    own = bitsandbytes.nn.Linear4bit(128, 96, quant_type="nf4")
    own.weight = bitsandbytes.nn.Params4bit(layer.weight.clone(), quant_type="nf4")
    own.to("cpu")

    found = FourBitLinear(layer).unpacked(torch.float32)

    expected = bitsandbytes.functional.dequantize_4bit(own.weight.data, own.weight.quant_state)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-6)
    assert float((found - layer.weight).abs().mean() / layer.weight.abs().mean()) < 0.15


def test_weights_are_packed_alike_however_many_threads_there_are() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(2048, 1088, bias=False)  # enough scales for threads to share them
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(FourBitLinear(layer).state_dict())

    for name, part in found[0].items():
        assert torch.equal(part, found[1][name]), name


@pytest.mark.parametrize("weight", [torch.zeros(6, 64), torch.eye(128), torch.ones(3, 5)])
def test_zeros_stay_zeros_and_ones_near_one(weight: torch.Tensor) -> None:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = weight

    found = FourBitLinear(layer).unpacked(torch.float32)

    assert torch.equal(found == 0, weight == 0)
    torch.testing.assert_close(found, weight, atol=0, rtol=0.02)


@pytest.mark.parametrize("biased", [True, False])
def test_a_layer_without_adapters_is_a_linear_layer_with_its_gradient(biased: bool) -> None:
    torch.manual_seed(0)
    layer = FourBitLinear(nn.Linear(64, 32, bias=biased))
    inputs = torch.randn(2, 5, 64, requires_grad=True)
    above = torch.randn(2, 5, 32)

    expected = F.linear(inputs, layer.weight, layer.bias)
    found = layer(inputs)

    torch.testing.assert_close(found, expected)
    for out in (found, expected):
        (gradient,) = torch.autograd.grad((out * above).sum(), inputs)
        torch.testing.assert_close(gradient, above @ layer.weight)


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("dropout", [True, False])
def test_one_step_is_the_chain_of_small_operations_with_its_gradients(
    dropout: bool, autocast: bool
) -> None:
    torch.manual_seed(0)
    layer = FourBitLinear(nn.Linear(64, 32))
    inputs, above = torch.randn(2, 5, 64), torch.randn(2, 5, 32)
    down, up = torch.randn(3, 64), torch.randn(32, 3)
    stays = torch.rand(2, 5, 64) > (0.3 if dropout else -1)
    keeps = stays.to(torch.int16 if autocast else torch.int32).neg() if dropout else None
    parts = [each.requires_grad_() for each in (inputs, down, up)]

    chain = F.linear(inputs, layer.weight, layer.bias) + 0.5 * (inputs * stays) @ down.T @ up.T
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        fused = adapted(inputs, layer.unpacked, layer.bias, down, up, scale=0.5, keeps=keeps)

    near = {"atol": 0.3, "rtol": 0.1} if autocast else {"atol": 1e-4, "rtol": 1e-4}
    torch.testing.assert_close(fused.float(), chain, **near)
    expected = torch.autograd.grad((chain * above).sum(), parts)
    found = torch.autograd.grad((fused * above).sum(), parts)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, **near | {"atol": near["atol"] * 4})


def test_nothing_of_the_weight_is_kept_between_forwards_and_backwards() -> None:
    layer = FourBitLinear(nn.Linear(64, 256))
    down, up = torch.randn(2, 64, requires_grad=True), torch.randn(256, 2, requires_grad=True)
    kept: list[torch.Size] = []

    with torch.autograd.graph.saved_tensors_hooks(
        lambda saved: kept.append(saved.shape) or saved, lambda saved: saved
    ):
        inputs = torch.randn(4, 64, requires_grad=True)
        layer(adapted(inputs, layer.unpacked, None, down, up, scale=1.0)[:, :64])

    assert kept
    assert torch.Size((256, 64)) not in kept


def test_without_the_package_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)

    with pytest.raises(MissingPackageError, match=r"BN401[\s\S]*burnish\[qlora\]"):
        qlora.base(nn.Sequential(nn.Linear(64, 64)))


def test_a_machine_the_package_has_no_code_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsandbytes import functional

    def missing(*_: Any, **__: Any) -> None:
        raise NotImplementedError("no kernel is registered")

    monkeypatch.setattr(functional, "dequantize_4bit", missing)

    with pytest.raises(HardwareError, match=r"BN404[\s\S]*on cpu[\s\S]*no kernel[\s\S]*lora"):
        qlora.base(nn.Sequential(nn.Linear(64, 64)))


def test_rows_with_no_answer_need_no_table() -> None:
    layer = HalfLinear(8, 5)
    layer.weight.data = layer.weight.data.bfloat16()

    assert layer(torch.zeros(1, 0, 8)).shape == (1, 0, 5)
    assert layer(torch.zeros(2, 3, 8)).dtype == torch.float32
