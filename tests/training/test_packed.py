"""A layer held in 4 or 8 bits: how it is packed, its product, and its gradient."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from burnish.training.methods.eight_bits import EightBitLinear
from burnish.training.methods.four_bits import FourBitLinear
from burnish.training.methods.low_rank import adapted
from burnish.training.methods.packed import PackedLinear

Form = type[PackedLinear]


@pytest.fixture(params=[FourBitLinear, EightBitLinear], ids=["4", "8"])
def form(request: pytest.FixtureRequest) -> Form:
    """The kinds of layers there are."""
    kind: Form = request.param
    return kind


def test_weights_are_packed_alike_however_many_threads_there_are(form: Form) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(2048, 1088, bias=False)  # enough scales for threads to share them
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(form(layer).state_dict())

    for name, part in found[0].items():
        assert torch.equal(part, found[1][name]), name


@pytest.mark.parametrize("weight", [torch.zeros(6, 64), torch.eye(128), torch.ones(3, 5)])
def test_zeros_stay_zeros_and_ones_near_one(form: Form, weight: torch.Tensor) -> None:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data = weight

    found = form(layer).unpacked(torch.float32)

    assert torch.equal(found == 0, weight == 0)
    torch.testing.assert_close(found, weight, atol=0, rtol=0.02)


@pytest.mark.parametrize("biased", [True, False])
def test_a_layer_without_adapters_is_a_linear_layer_with_its_gradient(
    form: Form, biased: bool
) -> None:
    torch.manual_seed(0)
    layer = form(nn.Linear(64, 32, bias=biased))
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
    form: Form, dropout: bool, autocast: bool
) -> None:
    torch.manual_seed(0)
    layer = form(nn.Linear(64, 32))
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


def test_nothing_of_the_weight_is_kept_between_forwards_and_backwards(form: Form) -> None:
    layer = form(nn.Linear(64, 256))
    down, up = torch.randn(2, 64, requires_grad=True), torch.randn(256, 2, requires_grad=True)
    kept: list[torch.Size] = []

    with torch.autograd.graph.saved_tensors_hooks(
        lambda saved: kept.append(saved.shape) or saved, lambda saved: saved
    ):
        inputs = torch.randn(4, 64, requires_grad=True)
        layer(adapted(inputs, layer.unpacked, None, down, up, scale=1.0)[:, :64])

    assert kept
    assert torch.Size((256, 64)) not in kept
