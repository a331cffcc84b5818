"""Attention of models that write: masks summed once, single tokens by products."""

import pytest
import torch
import transformers

from burnish.training import answering_attention as module
from burnish.training.answering_attention import NAME, answering_attention


def pair(kind: str) -> transformers.PreTrainedModel:
    torch.manual_seed(2)
    if kind == "t5":
        config = transformers.T5Config(
            vocab_size=60, d_model=32, d_kv=8, d_ff=48, num_layers=3, num_heads=4,
            decoder_start_token_id=0,
        )  # fmt: skip
        return transformers.T5ForConditionalGeneration(config).eval()
    config = transformers.BartConfig(
        vocab_size=60, d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48,
        max_position_embeddings=40,
    )  # fmt: skip
    return transformers.BartForConditionalGeneration(config).eval()


def logits(model: transformers.PreTrainedModel, *, bf16: bool) -> torch.Tensor:
    ids = torch.arange(4, 28).reshape(2, 12)
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        found: torch.Tensor = model(
            input_ids=ids, attention_mask=mask, decoder_input_ids=ids[:, :5]
        ).logits
    return found


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_a_pair_answers_to_the_last_bit_as_without(kind: str, bf16: bool) -> None:
    model = pair(kind)
    before = logits(model, bf16=bf16)

    with answering_attention(model):
        found = logits(model, bf16=bf16)

    assert torch.equal(found, before)


def test_layers_that_share_mask_and_bias_find_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    model, masks = pair("t5"), []
    plain = module.sdpa_attention_forward

    def noting(*given: torch.Tensor, **more: object) -> object:
        masks.append(given[4])
        return plain(*given, **more)

    monkeypatch.setattr(module, "sdpa_attention_forward", noting)
    with answering_attention(model):
        logits(model, bf16=False)

    # Three layers of the encoder, and of the decoder over itself and across.
    assert len(masks) == 9
    assert len({id(one) for one in masks}) == 3


def test_a_model_attends_as_before_once_it_has_answered() -> None:
    model = pair("t5")
    before = model.config._attn_implementation

    with answering_attention(model):
        assert model.encoder.config._attn_implementation == NAME

    assert model.encoder.config._attn_implementation == before == "sdpa"
    assert NAME not in model.config.to_json_string()


def test_attention_that_is_not_fused_is_left_alone() -> None:
    model = pair("t5")
    model.set_attn_implementation("eager")

    with answering_attention(model):
        assert model.encoder.config._attn_implementation == "eager"


@pytest.mark.parametrize("heads", [4, 2])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_one_token_in_bf16_gathers_what_a_sum_by_hand_does(
    heads: int, masked: bool, biased: bool
) -> None:
    torch.manual_seed(3)
    query = torch.randn(3, 4, 1, 16).bfloat16()
    key, value = (torch.randn(3, heads, 9, 16).bfloat16() for _ in range(2))
    mask = torch.ones(3, 1, 1, 9, dtype=torch.bool)
    mask[1, ..., :4] = mask[2, ..., 7:] = False
    bias = torch.randn(1, 4, 1, 9)

    found, _ = module.attend(
        torch.nn.Module(), query, key, value, mask if masked else None,
        scaling=0.5, position_bias=bias if biased else None,
    )  # fmt: skip

    keys, values = (one.float().repeat_interleave(4 // heads, dim=1) for one in (key, value))
    scores = query.float() @ keys.transpose(2, 3) * 0.5 + (bias if biased else 0)
    scores = scores.masked_fill(~mask, -torch.inf) if masked else scores
    sure = (scores.softmax(dim=-1) @ values).transpose(1, 2)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), sure, atol=0.03, rtol=0.03)


def test_a_decoder_in_bf16_goes_on_from_its_cache_as_the_fused_attention_does() -> None:
    torch.manual_seed(4)
    config = transformers.LlamaConfig(
        vocab_size=60, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, attn_implementation="sdpa",
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval().bfloat16()
    ids, mask = torch.arange(4, 18).reshape(2, 7), torch.ones(2, 7, dtype=torch.long)
    mask[1, :3] = 0  # filled up on the left

    def last() -> torch.Tensor:
        places = (mask.cumsum(dim=1) - 1).clamp(min=0)
        before = model(
            input_ids=ids[:, :6], attention_mask=mask[:, :6], position_ids=places[:, :6]
        ).past_key_values
        found: torch.Tensor = model(
            input_ids=ids[:, 6:], attention_mask=mask, position_ids=places[:, 6:],
            past_key_values=before,
        ).logits  # fmt: skip
        return found.float()

    with torch.inference_mode():
        fused = last()
        with answering_attention(model):
            own = last()

    torch.testing.assert_close(own, fused, atol=0.02, rtol=0.02)
