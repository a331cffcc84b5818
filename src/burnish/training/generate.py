"""Write answers: batches of prompts of like length, with a key-value cache, the same every time.

Greedy or beam search only; a sampled answer could not be judged twice. Prompts are sorted by
length, so that a batch holds little padding, and come back in the order they were given.

Called through `training.predict`. The tests compare with one row at a time, token for token.
"""

from typing import Any

import torch
from torch import Tensor

from burnish.tasks.base import Answer, Encoded, Writing
from burnish.tasks.writing import WritingTask
from burnish.training.batching import micro_batches
from burnish.training.hardware import Hardware
from burnish.training.packing import padding_id, plain
from burnish.training.quiet import quiet

_CACHED_TOKENS = 8192  # prompts and answers of one batch; bounds the key-value cache


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
    batches = micro_batches(room, range(len(encoded)), budget=_CACHED_TOKENS, packed=False)
    config = _config(base, wanted, tokenizer)
    found: list[Answer | None] = [None] * len(encoded)
    for rows in batches:
        asked = task.ask(encoded, rows, pad_id=padding_id(model))
        asked = {name: tensor.to(hardware.device) for name, tensor in asked.items()}
        with quiet(), torch.inference_mode(), hardware.autocast():
            made = base.generate(**asked, generation_config=config)
        fresh = made if base.config.is_encoder_decoder else made[:, asked["input_ids"].shape[1] :]
        for row, tokens in zip(rows, fresh, strict=True):
            found[row] = _answer(tokens, config, tokenizer)
    return [one for one in found if one is not None]


def _config(base: Any, wanted: Writing, tokenizer: Any) -> Any:
    from transformers import GenerationConfig

    own = base.generation_config
    listed = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    ends = {tokenizer.eos_token_id, *(end for end in listed if end is not None)}
    start = getattr(base.config, "decoder_start_token_id", None)
    return GenerationConfig(
        max_new_tokens=wanted.max_new_tokens,
        num_beams=wanted.beams,
        no_repeat_ngram_size=wanted.no_repeat_ngram,
        length_penalty=wanted.length_penalty,
        do_sample=False,
        use_cache=True,
        eos_token_id=sorted(ends),
        pad_token_id=tokenizer.pad_token_id,
        decoder_start_token_id=own.decoder_start_token_id if start is None else start,
    )


def _answer(tokens: Tensor, config: Any, tokenizer: Any) -> Answer:
    """Return the tokens up to the first end mark as text."""
    written = tokens.tolist()
    ends = [at for at, token in enumerate(written) if token in config.eos_token_id]
    # A decoder may start from its end mark, as BART's does.
    if ends and ends[0] == 0 and written[0] == config.decoder_start_token_id:
        ends = ends[1:]
    text = tokenizer.decode(written[: ends[0]] if ends else written, skip_special_tokens=True)
    return Answer(text.strip(), complete=bool(ends))
