"""One mask for all layers: the same answers to the last bit, and summed once."""

import pytest
import torch
import transformers

from burnish.training import shared_masks as module
from burnish.training.shared_masks import NAME, shared_masks


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

    with shared_masks(model):
        found = logits(model, bf16=bf16)

    assert torch.equal(found, before)


def test_layers_that_share_mask_and_bias_find_one_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    model, masks = pair("t5"), []
    plain = module.sdpa_attention_forward

    def noting(*given: torch.Tensor, **more: object) -> object:
        masks.append(given[4])
        return plain(*given, **more)

    monkeypatch.setattr(module, "sdpa_attention_forward", noting)
    with shared_masks(model):
        logits(model, bf16=False)

    # Three layers of the encoder, and of the decoder over itself and across.
    assert len(masks) == 9
    assert len({id(one) for one in masks}) == 3


def test_a_model_attends_as_before_once_it_has_answered() -> None:
    model = pair("t5")
    before = model.config._attn_implementation

    with shared_masks(model):
        assert model.encoder.config._attn_implementation == NAME

    assert model.encoder.config._attn_implementation == before == "sdpa"
    assert NAME not in model.config.to_json_string()


def test_attention_that_is_not_fused_is_left_alone() -> None:
    model = pair("t5")
    model.set_attn_implementation("eager")

    with shared_masks(model):
        assert model.encoder.config._attn_implementation == "eager"
