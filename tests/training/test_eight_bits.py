"""A layer held in 8 bits: its weight, and that it needs no package."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertModel

from burnish.training.methods import qlora
from burnish.training.methods.eight_bits import EightBitLinear


def held(weight: torch.Tensor) -> EightBitLinear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight.data = weight
    return EightBitLinear(layer)


def test_a_weight_worked_by_hand() -> None:
    layer = held(torch.tensor([[1.27, -0.02, 0.004], [0.5, -2.54, 0.011], [0.0, 0.0, 0.0]]))

    assert layer.packed.dtype == torch.int8
    assert layer.packed.tolist() == [[127, -2, 0], [25, -127, 1], [0, 0, 0]]
    assert layer.scales.tolist() == pytest.approx([1.27, 2.54, 0.0])
    expected = torch.tensor([[1.27, -0.02, 0.0], [0.5, -2.54, 0.02], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(layer.weight, expected)


def test_what_is_kept_is_what_the_library_keeps_of_a_model_published_in_bf16() -> None:
    import bitsandbytes

    torch.manual_seed(0)
    weight = torch.randn(96, 320).bfloat16().float()
    own = bitsandbytes.nn.Int8Params(weight.clone(), requires_grad=False).to("cpu")

    layer = held(weight)

    assert torch.equal(layer.scales, own.SCB)
    # Where a weight lies half way between two numbers the last bit of its scale decides.
    assert int((layer.packed.int() - own.CB.int()).abs().max()) <= 1
    assert float((layer.packed != own.CB).float().mean()) < 1e-3
    expected = bitsandbytes.functional.int8_vectorwise_dequant(layer.packed, own.SCB)
    torch.testing.assert_close(layer.weight, expected, atol=0, rtol=1e-6)


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 90),
    size=st.floats(1e-30, 1e30),
    seed=st.integers(0, 99),
)
def test_no_weight_is_off_by_more_than_half_a_step_of_its_row(
    rows: int, columns: int, size: float, seed: int
) -> None:
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * size

    found = held(weight).weight

    half = weight.abs().amax(dim=1, keepdim=True) / 127 / 2
    assert bool(((found - weight).abs() <= half * 1.0001).all())


@pytest.mark.parametrize("shape", [(3, 5), (1400, 800), (2, 2**20 + 1)])
def test_in_bf16_it_is_the_exact_weight_rounded_once(shape: tuple[int, int]) -> None:
    layer = held(torch.randn(shape, generator=torch.Generator().manual_seed(0)))

    assert torch.equal(layer.unpacked(torch.bfloat16), layer.weight.bfloat16())


def test_weights_take_a_byte_each_and_a_scale_a_row() -> None:
    layer = held(torch.randn(64, 256))

    assert sum(part.nbytes for part in layer.state_dict().values()) == 64 * 256 + 64 * 4


def test_no_package_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    model = BertModel(BertConfig(vocab_size=20, num_hidden_layers=1, **sizes))

    base = qlora.base(model, 8)

    assert type(base.encoder.layer[0].output.dense) is EightBitLinear
