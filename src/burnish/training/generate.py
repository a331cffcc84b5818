"""Write answers: batches of prompts of like length, with a key-value cache, the same every time.

Greedy or beam search only; a sampled answer could not be judged twice. Prompts are sorted by
length, so that a batch holds little padding, and come back in the order they were given. Beams,
and models that `training.greedy` does not know, are left to `generate`.

Called through `training.predict`. The tests compare with one row at a time, token for token.
"""

from copy import deepcopy
from typing import Any

import torch

from burnish.tasks.base import Answer, Batch, Writing
from burnish.tasks.encoded import Encoded
from burnish.tasks.writing import WritingTask
from burnish.training.batching import micro_batches
from burnish.training.generators import packs_decoder
from burnish.training.hardware import Hardware
from burnish.training.packing import padding_id, plain
from burnish.training.products import of_last_token
from burnish.training.quiet import quiet

# Settings of transformers by which another token than the likeliest is written.
_ALTERS = (
    "bad_words_ids",
    "begin_suppress_tokens",
    "encoder_no_repeat_ngram_size",
    "encoder_repetition_penalty",
    "exponential_decay_length_penalty",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "guidance_scale",
    "min_length",
    "min_new_tokens",
    "repetition_penalty",
    "sequence_bias",
    "suppress_tokens",
)
# How an answer is searched for, which the task decides; drawing by chance is no part of it.
_SEARCH = (
    "do_sample",
    "early_stopping",
    "epsilon_cutoff",
    "eta_cutoff",
    "length_penalty",
    "max_length",
    "max_new_tokens",
    "min_p",
    "no_repeat_ngram_size",
    "num_beams",
    "num_return_sequences",
    "temperature",
    "top_h",
    "top_k",
    "top_p",
    "typical_p",
)
_CACHE_BYTES = 400_000_000  # keys and values of one batch, in fp32
_LEAST_TOKENS = 2048  # of a batch, however large the model
_USUAL_TOKENS = 8192  # of a model without attention, which keeps no keys


def write(
    model: Any, encoded: Encoded, task: WritingTask, hardware: Hardware, tokenizer: Any
) -> list[Answer]:
    """Return what the model writes for each row, in input order.

    Args:
        model: in eval mode, PEFT-wrapped or not.
        encoded: n rows.
        task: tells how long answers may be, and how they are searched.
        hardware: tells device and precision.
        tokenizer: the model's own.
    """
    wanted, base = task.writing, plain(model)
    room = encoded.inputs.lengths + wanted.max_new_tokens
    batches = micro_batches(room, range(len(encoded)), budget=cached_tokens(base), packed=False)
    config = settings(base, wanted, tokenizer)
    found: list[Answer | None] = [None] * len(encoded)
    for rows in batches:
        asked = task.ask(encoded, rows, pad_id=padding_id(model))
        asked = {name: tensor.to(hardware.device) for name, tensor in asked.items()}
        with quiet(), torch.inference_mode(), hardware.autocast():
            made = _written(base, asked, config)
        for row, tokens in zip(rows, made, strict=True):
            found[row] = _answer(tokens, config, tokenizer)
    return [one for one in found if one is not None]


def _written(base: Any, asked: Batch, config: Any) -> list[list[int]]:
    """Return the tokens of each row's answer; behind its end mark anything may follow."""
    from burnish.training.greedy import write_greedily  # imports transformers' models

    pair = base.config.is_encoder_decoder
    if steps_by_itself(base, config):
        limit, ends = config.max_new_tokens, config.eos_token_id
        return write_greedily(base, asked, limit=limit, ends=ends)
    # The first of an encoder-decoder's tokens is where it started from.
    before = 1 if pair else asked["input_ids"].shape[1]
    asked = asked | of_last_token(base)
    made: list[list[int]] = base.generate(**asked, generation_config=config)[:, before:].tolist()
    return made


def cached_tokens(base: Any) -> int:
    """Return how many tokens of prompts and answers a batch may have, for their keys and values."""
    config = base.config.get_text_config(decoder=True)
    layers = getattr(config, "num_decoder_layers", None) or config.num_hidden_layers
    if not getattr(config, "num_attention_heads", None):
        return _USUAL_TOKENS
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or getattr(config, "d_kv", None)
    size = size or config.hidden_size // config.num_attention_heads
    return int(max(_LEAST_TOKENS, _CACHE_BYTES // (2 * layers * heads * size * 4)))


def steps_by_itself(base: Any, config: Any) -> bool:
    """Return whether a model is one for `training.greedy`, and nothing alters its likeliest token.

    `generate` also heeds what a model's own configuration says, as BART's about its last token.
    """
    if not (base.config.is_encoder_decoder or packs_decoder(base)):
        return False
    if config.num_beams > 1 or config.no_repeat_ngram_size:
        return False
    return not alters(base.generation_config)


def alters(own: Any) -> bool:
    """Return whether a generation_config has another token written than the likeliest."""
    return any(getattr(own, name, None) not in (None, 0, 1.0, []) for name in _ALTERS)


def settings(base: Any, wanted: Writing, tokenizer: Any) -> Any:
    """Return transformers' settings for writing as the task wants it, end marks included."""
    from transformers import GenerationConfig

    return GenerationConfig(
        max_new_tokens=wanted.max_new_tokens,
        num_beams=wanted.beams,
        no_repeat_ngram_size=wanted.no_repeat_ngram,
        length_penalty=wanted.length_penalty,
        do_sample=False,
        use_cache=True,
        **_marks(base, tokenizer),
    )


def settings_to_save(base: Any, wanted: Writing | None, tokenizer: Any) -> Any:
    """Return a model's generation_config by which others write as it was judged.

    What it says of single tokens stays, for Burnish heeds it too. Nothing stays of how a base
    searched: its limit was one for other answers.

    Args:
        base: a transformers model that can generate.
        wanted: how the task wants answers written; None: it wants none.
        tokenizer: the model's own.
    """
    found = deepcopy(base.generation_config)
    search = wanted.as_arguments() if wanted else {}
    if "num_beams" in search:
        search["early_stopping"] = found.early_stopping
    found.update(**dict.fromkeys(_SEARCH) | search | _marks(base, tokenizer))
    found._from_model_config = None  # or a reader might take what config.json says in its place
    return found


def _marks(base: Any, tokenizer: Any) -> dict[str, Any]:
    """Return the tokens that end an answer, come after its end, and that a decoder starts from."""
    own, start = base.generation_config, getattr(base.config, "decoder_start_token_id", None)
    return {
        "eos_token_id": end_tokens(own, tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "decoder_start_token_id": own.decoder_start_token_id if start is None else start,
    }


def end_tokens(own: Any, tokenizer: Any) -> list[int]:
    """Return the tokens that end an answer: the tokenizer's, and of a generation_config."""
    listed = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    return sorted({tokenizer.eos_token_id, *(end for end in listed if end is not None)})


def _answer(written: list[int], config: Any, tokenizer: Any) -> Answer:
    """Return the tokens up to the first end mark as text."""
    end = next((at for at, token in enumerate(written) if token in config.eos_token_id), None)
    text = tokenizer.decode(written[:end], skip_special_tokens=True)
    return Answer(text.strip(), complete=end is not None)
