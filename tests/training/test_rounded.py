"""Weights in fewer bits: bf16 answers as autocast does, integers are exact and rows independent."""

import copy

import pytest
import torch
import transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from burnish.errors import HardwareError
from burnish.training import rounded
from burnish.training.methods.eight_bits import EightBitLinear
from burnish.training.methods.four_bits import FourBitLinear
from burnish.training.processor import sums_bytes
from burnish.training.rounded import Int8Linear, PackedLinear, hold_bf16, hold_int8

needs_byte_sums = pytest.mark.skipif(not sums_bytes(), reason="the processor overflows")


def pair() -> transformers.T5ForConditionalGeneration:
    """A T5 whose output layer is tied to its embeddings."""
    torch.manual_seed(3)
    config = transformers.T5Config(
        vocab_size=90, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4,
        decoder_start_token_id=0, tie_word_embeddings=True,
    )  # fmt: skip
    return transformers.T5ForConditionalGeneration(config).eval()


def logits(model: nn.Module, *, bf16: bool = False) -> torch.Tensor:
    ids = torch.arange(24).reshape(2, 12)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        found: torch.Tensor = model(input_ids=ids, decoder_input_ids=ids[:, :5]).logits
    return found.float()


def test_weights_held_in_bf16_answer_to_the_last_bit_as_autocast_does() -> None:
    model = pair()
    embeddings = model.get_input_embeddings().weight
    expected, before = logits(model, bf16=True), embeddings.clone()

    hold_bf16(model)

    assert torch.equal(logits(model, bf16=True), expected)
    assert torch.equal(embeddings, before)
    held = [one for one in model.modules() if isinstance(one, nn.Linear | PackedLinear)]
    assert len(held) > 20
    assert all(layer.weight.dtype == torch.bfloat16 for layer in held)


def test_where_the_processor_lays_nothing_out_weights_are_held_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = pair()
    expected = logits(model, bf16=True)
    monkeypatch.setattr(rounded, "_packs", lambda _: False)

    hold_bf16(model)

    assert not any(isinstance(one, PackedLinear) for one in model.modules())
    assert torch.equal(logits(model, bf16=True), expected)


@needs_byte_sums
def test_a_layer_of_integers_rounds_by_the_row_and_by_the_column() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(96, 40)
    rows = torch.randn(7, 96) * torch.logspace(-3, 3, 7)[:, None]
    scale = layer.weight.abs().amax(dim=1) / 127
    size = rows.abs().amax(dim=1, keepdim=True) / 127
    sums = (rows / size).round().double() @ (layer.weight / scale[:, None]).round().double().T

    found = Int8Linear(layer)(rows)

    expected = (sums * size * scale + layer.bias).float()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    error = (found - layer(rows)).abs().amax(dim=1) / layer(rows).abs().amax(dim=1)
    assert error.max() < 0.02


@needs_byte_sums
def test_a_rows_answer_in_integers_does_not_depend_on_its_company() -> None:
    torch.manual_seed(1)
    layer = Int8Linear(nn.Linear(64, 24, bias=False))
    rows = torch.randn(3, 5, 64)
    rows[1] *= 1000

    together = layer(rows)

    assert together.shape == (3, 5, 24)
    for at in range(3):
        assert torch.equal(together[at], layer(rows[at]))
    assert layer(torch.zeros(1, 64)).abs().max() == 0


@needs_byte_sums
def test_a_model_of_integers_keeps_its_embeddings_and_stays_near() -> None:
    model = pair()
    exact, embeddings = logits(model), model.get_input_embeddings().weight.clone()
    whole = copy.deepcopy(model)

    hold_int8(model)

    found = logits(model)
    assert not any(isinstance(layer, nn.Linear) for layer in model.modules())
    assert isinstance(model.get_output_embeddings(), Int8Linear)
    assert torch.equal(model.get_input_embeddings().weight, embeddings)
    assert 0 < (found - exact).abs().max() < 0.05 * exact.abs().max()
    assert torch.equal(logits(whole), exact)


@needs_byte_sums
def test_layers_that_lie_on_their_side_are_rounded_and_those_of_other_kinds_left() -> None:
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=60, n_embd=32, n_layer=2, n_head=4)
    model = transformers.GPT2LMHeadModel(config).eval()
    ids = torch.arange(10)[None]
    exact = model(input_ids=ids).logits

    hold_int8(model)

    found = model(input_ids=ids).logits
    assert not any(isinstance(layer, Conv1D) for layer in model.modules())
    assert 0 < (found - exact).abs().max() < 0.05 * exact.abs().max()

    for packed in (FourBitLinear, EightBitLinear):
        held = nn.Sequential(nn.Linear(64, 64), packed(nn.Linear(64, 64, bias=False)))
        hold_bf16(held)
        assert held[0].weight.dtype == torch.bfloat16
        assert isinstance(held[1], packed)


def test_a_processor_that_would_overflow_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounded, "sums_bytes", lambda: False)

    with pytest.raises(HardwareError, match="no instructions for sums of 8-bit"):
        hold_int8(pair())
