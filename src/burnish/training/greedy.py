"""Greedy writing by a loop of our own: a batch gets smaller as its answers end.

Answers of one batch differ in length, and `generate` goes on with every row until the longest
has ended. Here a row leaves when its answer ends. What all prompts of a batch begin with is read
once. The tokens are those that `generate` writes: the tests compare them.

Called by `training.generate`, and by servers, which choose other tokens too, for encoder-decoders
and for the decoders that are known to place tokens by their positions alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache, DynamicLayer, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from burnish.tasks.base import Batch
from burnish.tasks.batch import common_prefix, padded_length
from burnish.training.batching import micro_batches
from burnish.training.generators import decoder_start
from burnish.training.hardware import computing_dtype
from burnish.training.products import LAST

_ROOM = 16  # tokens that are written before keys and values are copied once more
_ENCODED_TOKENS = 1024  # of one pass on a processor: attention over padding costs its square
_LEAVES = 8  # rows leave when one in so many has ended: each time copies the cache


class _RoomyLayer(DynamicLayer):  # type: ignore[misc]  # transformers has no types
    """Keys and values with room for the next tokens, so that most steps copy nothing."""

    keys: Tensor
    values: Tensor

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Take in new keys and values, shape (rows, heads, tokens, size); return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(keys, values)
            self.held: list[Tensor] = []
        seen = int(self.get_seq_length())
        end = seen + keys.shape[-2]
        if not self.held or len(self.held[0]) != len(keys) or self.held[0].shape[-2] < end:
            room = end + _ROOM if seen else end  # what is read once and for all needs none
            self.held = [
                one.new_empty(*one.shape[:2], room, one.shape[-1]) for one in (keys, values)
            ]
            if seen:
                for place, old in zip(self.held, (self.keys, self.values), strict=True):
                    place[:, :, :seen] = old
        for place, new in zip(self.held, (keys, values), strict=True):
            place[:, :, seen:end] = new
        self.keys, self.values = (place[:, :, :end] for place in self.held)
        return self.keys, self.values


class _RoomyCache(DynamicCache):  # type: ignore[misc]
    """A cache of such layers, as many as the model asks for."""

    def __init__(self) -> None:
        Cache.__init__(self, layer_class_to_replicate=_RoomyLayer)


@dataclass(slots=True)
class Reader:
    """A model in the middle of a batch: what it has read of each row."""

    base: Any
    mask: Tensor  # shape (rows, tokens), of the prompt, and of the answer in a decoder
    cache: Any  # keys and values of what was read
    encoded: Tensor | None = None  # shape (rows, tokens, size), of an encoder-decoder

    def read(self, tokens: Tensor) -> Tensor:
        """Read tokens, shape (rows, n), that the mask has; return logits (rows, vocabulary)."""
        told = {"attention_mask": self.mask, "past_key_values": self.cache, "use_cache": True}
        if self.encoded is not None:
            encoded = BaseModelOutput(last_hidden_state=self.encoded)
            out = self.base(decoder_input_ids=tokens, encoder_outputs=encoded, **told)
        else:
            positions = (self.mask.cumsum(dim=1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            out = self.base(input_ids=tokens, position_ids=positions, logits_to_keep=LAST, **told)
        logits: Tensor = out.logits[:, -1].float()
        return logits

    def go_on(self, tokens: Tensor, going: list[int]) -> tuple[Tensor, list[int]]:
        """Read the tokens just written, shape (rows,), once enough rows have ended without those.

        Args:
            tokens: of rows that have ended anything.
            going: the rows that have not ended.

        Returns:
            The logits (rows, vocabulary) of the rows that are still in the batch, and which of
            the rows before those are.
        """
        kept = list(range(len(tokens)))
        if len(kept) - len(going) >= max(1, len(kept) // _LEAVES):
            rows, kept = torch.tensor(going, device=tokens.device), going
            self._keep(rows)
            tokens = tokens[rows]
        if self.encoded is None:
            self.mask = torch.cat([self.mask, torch.ones_like(tokens)[:, None]], dim=1)
        return self.read(tokens[:, None]), kept

    def _keep(self, rows: Tensor) -> None:
        self.mask = self.mask[rows]
        self.cache.batch_select_indices(rows)
        if self.encoded is not None:
            self.encoded = self.encoded[rows]


def write_greedily(
    base: Any, asked: Batch, *, limit: int, ends: Collection[int]
) -> list[list[int]]:
    """Return the tokens of each row's answer, its end mark included where it came.

    Args:
        base: a transformers model in eval mode.
        asked: input_ids and attention_mask, shape (rows, tokens); filled up on the left for a
            decoder.
        limit: tokens an answer may have.
        ends: token ids that end an answer.
    """
    reader, logits = begin(base, asked)
    answers: list[list[int]] = [[] for _ in asked["input_ids"]]
    live = list(range(len(answers)))  # which answer each row of the batch belongs to
    for written in range(1, limit + 1):
        chosen = logits.argmax(dim=-1)
        for row, token in zip(live, chosen.tolist(), strict=True):
            if not _ended(answers[row], ends):
                answers[row].append(token)
        going = [at for at, row in enumerate(live) if not _ended(answers[row], ends)]
        if not going or written == limit:
            break
        logits, kept = reader.go_on(chosen, going)
        live = [live[at] for at in kept]
    return answers


def begin(base: Any, asked: Batch) -> tuple[Reader, Tensor]:
    """Read the prompts; return the reader and the logits of first tokens, (rows, vocabulary).

    Args:
        base: a transformers model in eval mode.
        asked: as for `write_greedily`.
    """
    start = _read_by_encoder if base.config.is_encoder_decoder else _read_by_decoder
    return start(base, asked)


def _ended(answer: list[int], ends: Collection[int]) -> bool:
    return bool(answer) and answer[-1] in ends


def _read_by_decoder(base: Any, asked: Batch) -> tuple[Reader, Tensor]:
    ids, mask = asked["input_ids"], asked["attention_mask"]
    cache = _RoomyCache()
    prompts = [row[told.bool()].cpu().numpy() for row, told in zip(ids, mask, strict=True)]
    # The last token of a prompt is read by its row: the first of the answer comes from it.
    if prefix := common_prefix([prompt[:-1] for prompt in prompts]):
        shared = torch.from_numpy(prompts[0][None, :prefix]).to(ids.device)
        base(input_ids=shared, past_key_values=cache, use_cache=True, logits_to_keep=LAST)
        cache.batch_repeat_interleave(len(ids))
        ids = ids[:, prefix:]
        # Rows stand at the right, so without their first tokens each mask is shifted to the left.
        before = mask.new_ones(len(mask), prefix)
        mask = torch.cat([before, mask[:, : mask.shape[1] - prefix]], dim=1)
    reader = Reader(base, mask, cache)
    return reader, reader.read(ids)


def _read_by_encoder(base: Any, asked: Batch) -> tuple[Reader, Tensor]:
    ids, mask = asked["input_ids"], asked["attention_mask"]
    cache = EncoderDecoderCache(_RoomyCache(), DynamicCache())
    reader = Reader(base, mask, cache, _encoded(base.get_encoder(), ids, mask))
    return reader, reader.read(ids.new_full((len(ids), 1), decoder_start(base)))


def _encoded(encoder: Any, ids: Tensor, mask: Tensor) -> Tensor:
    """Return the encoder's states, of rows of like length at a time.

    Shape (rows, tokens, size); of a graph, which hands on the keys and values of its decoder
    (`training.exports.onnx_pair`), with more axes between the first two. What stands in the
    places of padding is never looked at.
    """
    lengths = mask.sum(dim=1).cpu().numpy()
    budget = _ENCODED_TOKENS if ids.device.type == "cpu" else ids.numel()
    found: Tensor | None = None
    for rows in micro_batches(lengths, range(len(ids)), budget=budget, packed=False):
        width = padded_length(int(lengths[rows].max()))
        inputs = {"input_ids": ids[rows, :width], "attention_mask": mask[rows, :width]}
        states = encoder(**inputs).last_hidden_state
        if found is None:
            shape = (len(ids), *states.shape[1:-2], ids.shape[1], states.shape[-1])
            # Each layer of the decoder would round all of it anew.
            found = states.new_zeros(shape, dtype=computing_dtype(states))
        found[rows, ..., :width, :] = states.to(found.dtype)
    if found is None:
        raise ValueError("a batch without rows")
    return found
