from typing import Any

import pytest
import torch
import transformers

from burnish.tasks.batch import padded_length
from burnish.training import pair_attention
from burnish.training.dropout import Noise, use_fast_dropout, use_plain_dropout
from burnish.training.pair_attention import (
    NAME,
    dropped_pairs,
    use_dropped_attention,
    use_own_attention,
)

SHARE, SCALE = 0.25, 0.7


class Layer(torch.nn.Module):
    """What asks for attention."""

    def __init__(self, noise: Noise, *, is_causal: bool) -> None:
        super().__init__()
        self.noise, self.is_causal = noise, is_causal


def expected(
    tensors: list[torch.Tensor], noise: Noise, bias: Any, mask: Any, cells: int
) -> torch.Tensor:
    """Attend in plain operations, with masks drawn for blocks of so many scores."""
    query, key, value = tensors
    rows, every, queries, _ = query.shape
    factors = torch.zeros(rows, every, queries, key.shape[2])
    for row in range(rows):  # little is drawn for padding
        places = None if mask is None else mask[min(row, len(mask) - 1)].nonzero()[:, -1]
        seen = key.shape[2]
        if places is not None:
            seen = min(seen, padded_length(int(places.max()) + 1))
        for at in range(0, every, step := max(1, cells // (queries * seen))):
            part = factors[row, at : at + step, :, :seen]
            part.copy_(noise.mask(part.shape, SHARE, dtype=torch.float32))
    scores = SCALE * query @ key.transpose(2, 3)
    scores = scores if bias is None else scores + bias
    scores = scores if mask is None else scores.masked_fill(~mask, -1e30)
    return ((scores.softmax(-1) * factors) @ value).transpose(1, 2)


@pytest.mark.parametrize("cells", [1, 60, 1 << 18])
@pytest.mark.parametrize(
    "form", ["bias and mask", "bias", "mask", "one mask", "mask of pairs", "causal", "across"]
)
def test_outputs_and_gradients_are_those_of_plain_operations(
    form: str, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pair_attention, "_BYTES", 4 * cells)
    torch.manual_seed(0)
    keys = 7 if form == "across" else 5
    shapes = [(2, 3, 5, 4), (2, 3, keys, 4), (2, 3, keys, 4)]
    tensors = [torch.randn(shape, requires_grad=True) for shape in shapes]
    bias = torch.randn(1, 3, 5, keys, requires_grad=True) if "bias" in form else None
    mask = torch.rand(2, 1, 1, keys) > 0.4 if "mask" in form else None
    if mask is not None:
        mask[..., 0], mask[1, ..., -2:] = True, False
        if form == "one mask":
            mask = mask[1:]
        elif form == "mask of pairs":
            mask = mask & torch.ones(5, keys, dtype=torch.bool).tril()
    layer = Layer(Noise(), is_causal=form == "causal")

    layer.noise.restart(3)
    out, _ = dropped_pairs(layer, *tensors, mask, dropout=SHARE, scaling=SCALE, position_bias=bias)
    layer.noise.restart(3)
    seen = torch.ones(1, 1, 5, 5, dtype=torch.bool).tril() if form == "causal" else mask
    wanted = expected(tensors, layer.noise, bias, seen, cells)

    torch.testing.assert_close(out, wanted)
    inputs = [*tensors, bias] if bias is not None else tensors
    upstream = torch.randn_like(wanted)
    found, right = (torch.autograd.grad(one, inputs, upstream) for one in (out, wanted))
    torch.testing.assert_close(found, right)


def test_under_autocast_it_computes_in_bf16_and_ends_near_fp32() -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(2, 3, 5, 4, requires_grad=True) for _ in range(3)]
    bias = torch.randn(1, 3, 5, 5, requires_grad=True)
    layer = Layer(Noise(), is_causal=False)
    upstream = torch.randn(2, 5, 3, 4)

    found = []
    for on in (False, True):
        layer.noise.restart(3)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
            out, _ = dropped_pairs(layer, *tensors, None, dropout=SHARE, position_bias=bias)
        slopes = torch.autograd.grad(out, [*tensors, bias], upstream.to(out.dtype))
        found.append((out, slopes))

    (exact, wanted), (rounded, slopes) = found
    assert rounded.dtype == torch.bfloat16
    assert {one.dtype for one in slopes} == {torch.float32}
    torch.testing.assert_close(rounded.float(), exact, atol=0.05, rtol=0.02)
    torch.testing.assert_close(slopes, wanted, atol=0.1, rtol=0.05)


SIZES = {"vocab_size": 40, "decoder_start_token_id": 0, "pad_token_id": 0, "eos_token_id": 1}


def t5() -> Any:
    config = transformers.T5Config(
        **SIZES, d_model=16, d_kv=4, d_ff=16, num_layers=2, num_heads=4, dropout_rate=0.2
    )
    return transformers.T5ForConditionalGeneration(config)


def bart() -> Any:
    config = transformers.BartConfig(
        **SIZES, d_model=16, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=16, decoder_ffn_dim=16,
        max_position_embeddings=32, attention_dropout=0.2, bos_token_id=2,
    )  # fmt: skip
    return transformers.BartForConditionalGeneration(config)


BATCH = {
    "input_ids": torch.tensor([[5, 6, 7, 8, 1], [9, 10, 1, 0, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]),
    "labels": torch.tensor([[5, 6, 1], [9, 1, 1]]),
}


@pytest.mark.parametrize("make", [t5, bart])
def test_a_model_attends_so_in_training_and_as_ever_otherwise(make: Any) -> None:
    torch.manual_seed(0)
    model = make()
    own = model.config._attn_implementation
    with torch.no_grad():
        before = model.eval()(**BATCH).logits

    noise = use_fast_dropout(model)
    use_dropped_attention(model, noise)
    losses = []
    for seed in (1, 1, 2):
        noise.restart(seed)
        torch.manual_seed(seed)  # BART drops other activations by PyTorch's own numbers
        losses.append(model.train()(**BATCH).loss)
    losses[0].backward()
    with torch.no_grad():
        during = model.eval()(**BATCH).logits
    attending = {part.config._attn_implementation for part in model.modules()
                 if hasattr(part, "config")}  # fmt: skip
    use_own_attention(model)
    use_plain_dropout(model)

    assert attending == {NAME}
    assert losses[0] == losses[1] != losses[2]
    assert all(one.grad is not None for one in model.parameters() if one.requires_grad)
    torch.testing.assert_close(during, before)
    assert model.config._attn_implementation == own
    assert not any(isinstance(getattr(one, "noise", None), Noise) for one in model.modules())
    assert NAME not in model.config.to_json_string()
