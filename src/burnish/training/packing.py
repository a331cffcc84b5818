"""Run a classifier on rows joined end to end, with the answers of one row at a time.

Linear layers, which are most of the cost, then see no padding. The head reads only the first
token of each row, so the last layer is computed for those tokens alone: the other rows of its
output would be thrown away. Which architectures can be run so, and how, is one table.

Also the place to start from the middle: with frozen lower layers, their outputs are kept by
`training.cache` and a pass begins above them.

Called by `training.module` and `training.predict`. The tests compare logits and gradients
with one unpadded row at a time, for every architecture of the table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from burnish.training.segments import (
    PaddedRows,
    Rows,
    Segments,
    first_token_attention,
    packed_calls,
)

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Anatomy:
    """How to run one architecture in parts."""

    layers: str  # path of the layer list below the body
    embed: Callable[[Any, Tensor, Tensor], Tensor]  # body, ids, positions → (1, total, hidden)
    last: Callable[[Any, Tensor, Rows], Tensor]  # top layer → first tokens (1, firsts, hidden)
    head: Callable[[Any, Tensor], Tensor]  # model, (firsts, 1, hidden) → logits
    positions_after_pad: bool = False  # positions count from pad_token_id + 1


def _embed(body: Any, ids: Tensor, positions: Tensor) -> Tensor:
    embedded: Tensor = body.embeddings(input_ids=ids, position_ids=positions)
    return embedded


def _embed_electra(body: Any, ids: Tensor, positions: Tensor) -> Tensor:
    embedded = _embed(body, ids, positions)
    project = getattr(body, "embeddings_project", None)
    return embedded if project is None else project(embedded)


def _last_bert(layer: Any, hidden: Tensor, segments: Rows) -> Tensor:
    attention = layer.attention.self
    first = hidden[:, segments.firsts]
    context = _from_first(
        (attention.query, attention.key, attention.value), attention, first, hidden, segments
    )
    out: Tensor = layer.feed_forward_chunk(layer.attention.output(context, first))
    return out


def _last_distilbert(layer: Any, hidden: Tensor, segments: Rows) -> Tensor:
    attention = layer.attention
    first = hidden[:, segments.firsts]
    context = _from_first(
        (attention.q_lin, attention.k_lin, attention.v_lin), attention, first, hidden, segments
    )
    attended = layer.sa_layer_norm(attention.out_lin(context) + first)
    out: Tensor = layer.output_layer_norm(layer.ffn(attended) + attended)
    return out


def _from_first(
    projections: tuple[Any, Any, Any],
    attention: Any,
    first: Tensor,
    hidden: Tensor,
    segments: Rows,
) -> Tensor:
    """Return what the first tokens gather from their rows, shape (1, firsts, hidden)."""
    query, key, value = projections
    heads = (-1, attention.attention_head_size)
    context = first_token_attention(
        attention,
        query(first)[0].unflatten(-1, heads),
        key(hidden)[0].unflatten(-1, heads),
        value(hidden)[0].unflatten(-1, heads),
        segments,
        dropout=attention.dropout.p if attention.training else 0.0,
    )
    return context.flatten(1)[None]


def _head_bert(model: Any, first: Tensor) -> Tensor:
    logits: Tensor = model.classifier(model.dropout(model.bert.pooler(first)))
    return logits


def _head_distilbert(model: Any, first: Tensor) -> Tensor:
    pooled = torch.relu(model.pre_classifier(first[:, 0]))
    logits: Tensor = model.classifier(model.dropout(pooled))
    return logits


def _head_dense(model: Any, first: Tensor) -> Tensor:
    logits: Tensor = model.classifier(first)
    return logits


_ROBERTA = Anatomy("encoder.layer", _embed, _last_bert, _head_dense, positions_after_pad=True)
ANATOMIES: dict[str, Anatomy] = {
    "bert": Anatomy("encoder.layer", _embed, _last_bert, _head_bert),
    "distilbert": Anatomy("transformer.layer", _embed, _last_distilbert, _head_distilbert),
    "electra": Anatomy("encoder.layer", _embed_electra, _last_bert, _head_dense),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
}


def plain(model: Any) -> Any:
    """Return the transformers model inside PEFT's wrapper, or the model itself."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def anatomy(model: Any) -> Anatomy | None:
    """Return how the model can be run in parts; None where the table does not know it."""
    config = plain(model).config
    absolute = getattr(config, "position_embedding_type", "absolute") == "absolute"
    if getattr(config, "is_decoder", False) or not absolute:
        return None
    return ANATOMIES.get(config.model_type)


def padding_id(model: Any) -> int:
    """Return the id that fills up batches; 0 where the model names none."""
    found = plain(model).config.pad_token_id
    return 0 if found is None else int(found)


def layers(model: Any) -> Any:
    """Return the layer list, lowest first. Raises KeyError for an unknown architecture."""
    base = plain(model)
    return base.base_model.get_submodule(ANATOMIES[base.config.model_type].layers)


def logits(model: Any, batch: Batch) -> Tensor:
    """Return the logits of a batch made by the task, packed or padded: (rows, classes)."""
    if "lengths" in batch:
        return packed_logits(model, batch)
    out: Tensor = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    return out


def packed_logits(model: Any, batch: Batch) -> Tensor:
    """Return the logits of a pack, shape (rows, classes).

    Args:
        model: a classifier whose architecture is in the table, PEFT-wrapped or not.
        batch: input_ids and position_ids of (1, total), lengths of (rows,).
    """
    segments = Segments.of(batch["lengths"], batch["input_ids"].shape[1])
    return from_hidden(model, lower_part(model, batch, segments, upto=0), segments, start=0)


def lower_part(model: Any, batch: Batch, segments: Segments, *, upto: int) -> Tensor:
    """Return the embeddings after the lowest `upto` layers, shape (1, total, hidden)."""
    base = plain(model)
    parts = ANATOMIES[base.config.model_type]
    positions = batch["position_ids"]
    if parts.positions_after_pad:
        positions = positions + base.config.pad_token_id + 1
    hidden = parts.embed(base.base_model, batch["input_ids"], positions)
    with packed_calls(base):
        for layer in layers(base)[:upto]:
            hidden = layer(hidden, None, segments=segments)
    return hidden


def from_hidden(model: Any, hidden: Tensor, segments: Segments, *, start: int) -> Tensor:
    """Return logits from what enters layer `start`, shape (1, total, hidden)."""
    base = plain(model)
    parts = ANATOMIES[base.config.model_type]
    stack = layers(base)
    if start == len(stack):
        return parts.head(base, hidden[0, segments.firsts][:, None])[: segments.rows]
    with packed_calls(base):
        for layer in stack[start:-1]:
            hidden = layer(hidden, None, segments=segments)
    first = parts.last(stack[-1], hidden, segments)
    return parts.head(base, first[0][:, None])[: segments.rows]


@dataclass(frozen=True, slots=True)
class Top:
    """The top layer of a classifier, taken off."""

    layer: Any
    # From the states that enter it, (rows, tokens, hidden), and the attention mask, (rows, tokens),
    # to logits; of the layer only the first tokens are computed.
    to_logits: Callable[[Tensor, Tensor], Tensor]


def without_last(model: Any) -> Top | None:
    """Take the top layer off a classifier of transformers; None where the table does not know it.

    For programs that run padded rows, such as exported graphs. The model is changed in place.
    """
    parts = anatomy(model)
    if parts is None:
        return None
    stack = layers(model)
    last = stack[-1]
    del stack[-1]

    def to_logits(hidden: Tensor, mask: Tensor) -> Tensor:
        first = parts.last(last, hidden.flatten(0, 1)[None], PaddedRows(mask))
        return parts.head(model, first[0][:, None])

    return Top(last, to_logits)


def packed_states(model: Any, batch: Batch, segments: Segments) -> Tensor:
    """Return the output of the whole body for every token, shape (total, hidden)."""
    return lower_part(model, batch, segments, upto=len(layers(model)))[0]
