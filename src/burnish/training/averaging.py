"""One more layer on top of an encoder, which starts as the mean of all tokens.

A head of transformers reads the first token alone. In an encoder trained with mean pooling that
token holds little, but a layer of the kind the encoder is made of can bring the mean there: its
first token attends to all tokens alike. What comes out is an ordinary model of one layer more,
which any tool opens and which training can improve on.

The layer is a function of the layer below it, so an adapter trained over it needs only a mark
in its folder. Added by `training.pooler`; see `docs/decisions/0005`.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import nn

from burnish.training.packing import layers, plain

_MEAN_WEIGHT = 4.0  # of the mean of the tokens, beside the first token's own state
MARK = "averaging_layer"  # in config.json, and in the burnish.json of an adapter


@torch.no_grad()
def add_averaging_layer(model: Any) -> None:
    """Put a layer on top in which the first token takes the mean of all tokens.

    Queries of zero attend to all tokens alike; keys and the lower feed-forward weights are those
    of the layer below, so that the new layer can learn to do more than average.
    """
    config, stack = plain(model).config, layers(model)
    layer = deepcopy(stack[-1])
    attention, same = layer.attention, torch.eye(config.hidden_size)
    attention.self.query.weight.zero_()
    attention.self.value.weight.copy_(same)
    attention.output.dense.weight.copy_(same * _MEAN_WEIGHT)
    layer.output.dense.weight.zero_()
    for linear in (attention.self.query, attention.self.value, attention.output.dense):
        linear.bias.zero_()
    layer.output.dense.bias.zero_()
    for norm in (attention.output.LayerNorm, layer.output.LayerNorm):
        nn.init.ones_(norm.weight)
        nn.init.zeros_(norm.bias)
    stack.append(layer)
    config.num_hidden_layers = len(stack)
    setattr(config, MARK, True)


def averages(model: Any) -> bool:
    """Return whether the model carries an averaging layer."""
    return bool(getattr(plain(model).config, MARK, False))
