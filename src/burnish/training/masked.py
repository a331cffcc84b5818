"""Forward passes of encoders that foretell hidden words: the loss of the words hidden in each row.

Rows are joined end to end where the architecture is known, and only hidden places reach the
transform before the vocabulary and the vocabulary itself.

Called through `training.forward`, and by `training.fill`. The tests compare losses and gradients
with one unpadded row at a time.
"""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from burnish.training import packing
from burnish.training.generators import summed_by_row
from burnish.training.packing import plain
from burnish.training.segments import Segments
from burnish.training.token_loss import scored, scored_logits

Batch = dict[str, Tensor]


def _distilbert(base: Any, states: Tensor) -> Tensor:
    found: Tensor = base.vocab_layer_norm(base.activation(base.vocab_transform(states)))
    return found


def _roberta(base: Any, states: Tensor) -> Tensor:
    head = base.lm_head
    found: Tensor = head.layer_norm(F.gelu(head.dense(states)))
    return found


# What each architecture does between its body and the layer of words: (n, hidden) → (n, size).
TRANSFORMS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "bert": lambda base, states: base.cls.predictions.transform(states),
    "distilbert": _distilbert,
    "electra": lambda base, states: base.generator_predictions(states),
    "roberta": _roberta,
    "xlm-roberta": _roberta,
    "camembert": _roberta,
}


def packs(model: Any) -> bool:
    """Return whether rows of this encoder can be joined end to end."""
    return packing.anatomy(model) is not None and plain(model).config.model_type in TRANSFORMS


def losses(model: Any, batch: Batch) -> Tensor:
    """Return the sums of each row's hidden tokens, as `generators.summed_by_row` does."""
    base = plain(model)
    if "lengths" not in batch:
        return summed_by_row(scored_logits(padded_logits(base, batch), batch["next"]), batch)
    entering = _packed_states(model, batch)
    words = base.get_output_embeddings()
    if not isinstance(words, nn.Linear):  # of integers, whose weights are no weights by themselves
        return summed_by_row(scored_logits(words(entering), batch["next"]), batch)
    return summed_by_row(scored(entering, words.weight, words.bias, batch["next"]), batch)


def padded_logits(base: Any, batch: Batch) -> Tensor:
    """Return the logits at the places `at` of a padded batch, shape (S, vocabulary)."""
    out = base(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
    found: Tensor = out.logits.flatten(0, 1)[batch["at"]]
    return found


def _packed_states(model: Any, batch: Batch) -> Tensor:
    """Return what enters the layer of words at the hidden places of a pack, shape (S, size)."""
    segments = Segments.of(batch["lengths"], batch["input_ids"].shape[1])
    states = packing.packed_states(model, batch, segments)[batch["at"]]
    base = plain(model)
    return TRANSFORMS[base.config.model_type](base, states)
