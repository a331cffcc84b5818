"""An encoder on both sides of an encoder-decoder: where no pretrained pair is at hand.

The encoder's weights start both sides; attention from the decoder to the input, and the
transform before the vocabulary, are new. Source: Rothe et al. 2020, "Leveraging Pre-trained
Checkpoints for Sequence Generation Tasks".
"""

from pathlib import Path
from typing import Any


def pairs(config: Any) -> bool:
    """Return whether this is the configuration of an encoder that can also be made a decoder."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    kinds = (AutoModelForCausalLM._model_mapping, AutoModelForMaskedLM._model_mapping)
    both = all(type(config) in kind for kind in kinds)
    return both and not config.is_encoder_decoder and hasattr(config, "add_cross_attention")


def warm_started(folder: Path, tokenizer: Any, **changes: Any) -> Any:
    """Return an encoder-decoder whose both sides start from the encoder in `folder`.

    Args:
        folder: of the encoder.
        tokenizer: its tokenizer; the decoder starts from its first special token.
        changes: of both configurations, such as dropout.
    """
    from transformers import EncoderDecoderModel

    sides = {
        f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in changes.items()
    }
    model = EncoderDecoderModel.from_encoder_decoder_pretrained(
        folder, folder, encoder_use_safetensors=True, decoder_use_safetensors=True, **sides
    )
    start = tokenizer.cls_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    model.config.decoder_start_token_id = start
    model.config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id or tokenizer.sep_token_id
    model.generation_config.decoder_start_token_id = start
    return model
