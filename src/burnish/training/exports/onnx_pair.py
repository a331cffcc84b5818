"""An encoder-decoder for ONNX Runtime: one graph to read the input, one for each step of an answer.

`encoder.onnx`: `input_ids` and `attention_mask`, int64 (rows, tokens) → `cross`, what the decoder
looks up of the input: keys and values of its layers in turn, fp32 (rows, 2 × layers, heads,
tokens, head size).

`decoder.onnx`: `input_ids` (rows, new), the `attention_mask` and `cross` of the input, and `past`,
keys and values of the tokens before (rows, 2 × layers, heads, before, head size), `before` 0 at
the start → `logits` (rows, new, vocabulary), and `fresh`, what goes to the end of `past`.

Which answer is searched for, greedy or by beams, is up to the reader. The check searches with
transformers, in a model whose every number comes from the two graphs.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, GenerationConfig, GenerationMixin, PreTrainedModel
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from burnish.recipe.training import Training
from burnish.records import Prediction
from burnish.tasks.encoded import Encoded
from burnish.training.exports import Answers
from burnish.training.exports.onnx_graph import save_graph
from burnish.training.facts import read_task
from burnish.training.graphs import DECODER_FILE, ENCODER_FILE, open_graph
from burnish.training.hardware import probe
from burnish.training.predict import predictions
from burnish.training.sources import ModelSource
from burnish.training.tokenizers import open_tokenizer

_INPUT = ("input_ids", "attention_mask")


class _Encoder(nn.Module):
    """Input tokens in, what the decoder looks up of them out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        read = self.model.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        # One step of the decoder fills the cache; what else it computes is not in the graph.
        self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=read.last_hidden_state),
            attention_mask=attention_mask,
            decoder_input_ids=input_ids[:, :1],
            past_key_values=cache,
            use_cache=True,
        )
        return _stacked(cache.cross_attention_cache)


class _Decoder(nn.Module):
    """New tokens and what was kept in, logits and what to keep of the new tokens out."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, cross: Tensor, past: Tensor
    ) -> tuple[Tensor, Tensor]:
        cache = EncoderDecoderCache(_cache(past), _cache(cross))
        # Only its length is looked at: the keys and values of the input are in the cache.
        size = self.model.get_encoder().config.hidden_size
        unread = past.new_zeros(cross.shape[0], cross.shape[3], size)
        told = self.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=unread),
            attention_mask=attention_mask,
            decoder_input_ids=input_ids,
            past_key_values=cache,
            use_cache=True,
        )
        return told.logits, _stacked(cache.self_attention_cache)[:, :, :, past.shape[3] :]


def _stacked(cache: Any) -> Tensor:
    """Return keys and values of all layers, shape (rows, 2 × layers, heads, tokens, head size)."""
    return torch.stack([part for layer in cache.layers for part in (layer.keys, layer.values)], 1)


def _cache(stacked: Tensor) -> DynamicCache:
    cache = DynamicCache()
    for layer in range(stacked.shape[1] // 2):
        cache.update(stacked[:, 2 * layer], stacked[:, 2 * layer + 1], layer)
    return cache


def write_graphs(model: Any, folder: Path) -> None:
    """Write both graphs; `open_pair` also reads the configurations that are written beside them.

    Args:
        model: an encoder-decoder that can be traced.
        folder: empty.
    """
    # Two rows of different length, and new tokens after others, so that no branch is left out.
    ids = torch.ones(2, 8, dtype=torch.int64)
    mask = torch.ones_like(ids)
    mask[1, 5:] = 0
    asked = {"input_ids": ids, "attention_mask": mask}
    rows, words = {0: "rows"}, {0: "rows", 1: "tokens"}
    kept = {0: "rows", 3: "tokens"}
    save_graph(
        _Encoder(model),
        asked,
        folder / ENCODER_FILE,
        outputs=["cross"],
        free=dict.fromkeys(_INPUT, words) | {"cross": kept},
    )
    with torch.no_grad():
        cross = _Encoder(model)(**asked)
    past = cross.new_zeros(*cross.shape[:3], 3, cross.shape[4])
    step = {"input_ids": ids[:, :2], "attention_mask": mask, "cross": cross, "past": past}
    new = {0: "rows", 1: "new"}
    save_graph(
        _Decoder(model),
        step,
        folder / DECODER_FILE,
        outputs=["logits", "fresh"],
        free={"input_ids": new, "attention_mask": words, "cross": kept, "logits": new}
        | {"past": rows | {3: "before"}, "fresh": rows | {3: "new"}},
    )


def open_pair(folder: Path) -> Answers:
    """Return the answers of the two graphs, searched for as the task says."""
    source = ModelSource(reference=str(folder), folder=folder, revision=None, origin="folder")
    model, tokenizer = _Pair.opened(folder), open_tokenizer(source)
    task = read_task(folder)
    hardware = replace(probe(Training()), device="cpu").for_answers()

    def answers(rows: Encoded) -> list[Prediction]:
        return predictions(model, rows, task, hardware, tokenizer)

    return answers


class _Reader(nn.Module):
    """What transformers' search takes for an encoder: its states are `cross`."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self.session = session

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> BaseModelOutput:
        feed = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        (cross,) = self.session.run(["cross"], feed)
        return BaseModelOutput(last_hidden_state=torch.from_numpy(cross))


class _Pair(PreTrainedModel, GenerationMixin):  # type: ignore[misc]  # they have no types
    """A model without weights of its own, which transformers can search answers with."""

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, config: Any, reader: _Reader, session: Any) -> None:
        super().__init__(config)
        self.reader, self.session = reader, session

    @classmethod
    def opened(cls, folder: Path) -> "_Pair":
        """Return the model of a folder that was exported to."""
        where = {"local_files_only": True}
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, **where)
        reader = _Reader(open_graph(folder / ENCODER_FILE))
        model = cls(config, reader, open_graph(folder / DECODER_FILE))
        model.eval()
        model.generation_config = GenerationConfig.from_pretrained(folder, **where)
        return model

    def get_encoder(self, *_: Any) -> _Reader:
        """Return what reads the input."""
        return self.reader

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        **_: Any,
    ) -> Seq2SeqLMOutput:
        """Return the logits of new tokens, and put what is kept of them into the cache."""
        read = encoder_outputs or self.reader(input_ids, attention_mask)
        cross, past = read.last_hidden_state, None
        if past_key_values is not None and past_key_values.get_seq_length():
            past = _stacked(past_key_values.self_attention_cache)
        feed = {
            "input_ids": decoder_input_ids,
            "attention_mask": attention_mask,
            "cross": cross,
            "past": cross[:, :, :, :0] if past is None else past,
        }
        feed = {name: tensor.numpy() for name, tensor in feed.items()}
        logits, fresh = map(torch.from_numpy, self.session.run(["logits", "fresh"], feed))
        if past_key_values is not None:
            for layer, (keys, values) in enumerate(_by_layer(fresh)):
                past_key_values.self_attention_cache.update(keys, values, layer)
        return Seq2SeqLMOutput(logits=logits, past_key_values=past_key_values)


def _by_layer(stacked: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for at in range(0, stacked.shape[1], 2):
        yield stacked[:, at], stacked[:, at + 1]
