"""Forward passes of models that write: the loss of the tokens of each row, packed or padded.

A decoder runs on rows joined end to end, each attending to itself and backwards only; what all
rows of a pass begin with is computed once. The architectures that can are in one tuple, all
others are padded. An encoder-decoder is always
padded. Either way only the positions that are learned reach the output layer.

Called through `training.forward`. The tests compare losses and gradients with one unpadded row
at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from burnish.evaluation.likelihoods import TOPS
from burnish.training import causal_blocks
from burnish.training.causal_blocks import Blocks
from burnish.training.packing import plain
from burnish.training.segments import packed_calls
from burnish.training.token_loss import Scored, scored, scored_logits

Batch = dict[str, Tensor]

# Decoders that call their attention through transformers' interface and attend to all that is
# before; each is in the tests.
PACKABLE = ("llama", "qwen2", "qwen3", "mistral", "gpt_neox", "gpt2", "smollm3")
_POSITIONS = 256  # whose logits are held at once
# Factors on the logits that some decoders put behind their output layer.
_SCALES = ("final_logit_softcapping", "logit_scale", "logits_scaling")


def packs_decoder(model: Any) -> bool:
    """Return whether rows of this decoder can be joined end to end."""
    config = plain(model).config
    windowed = getattr(config, "sliding_window", None) and getattr(
        config, "use_sliding_window", True
    )
    return config.model_type in PACKABLE and not windowed


def decoder_losses(model: Any, batch: Batch) -> Tensor:
    """Return the sums of each row's tokens that are learned, as `summed_by_row` does."""
    if "lengths" not in batch:
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        return _by_row(plain(model), inputs, batch)
    ids = batch["input_ids"]
    joined: dict[str, Any] = {
        "input_ids": ids,
        "position_ids": batch["position_ids"],
        "blocks": Blocks.of(
            batch["lengths"], ids.shape[1], prefix=int(batch["prefix"]), device=ids.device
        ),
    }
    with packed_calls(plain(model), causal_blocks.NAME, causal_blocks.attention):
        return _by_row(plain(model), joined, batch)


def pair_losses(model: Any, batch: Batch) -> Tensor:
    """Return what `decoder_losses` does, for an encoder-decoder."""
    base, ids = plain(model), batch["decoder_ids"]
    start = ids.new_full((len(ids), 1), decoder_start(base))
    inputs = {
        "input_ids": batch["input_ids"],
        "attention_mask": batch["attention_mask"],
        "decoder_input_ids": torch.cat([start, ids[:, :-1]], dim=1),
    }
    return _by_row(base, inputs, batch)


def decoder_start(base: Any) -> int:
    """Return the token that a decoder's answer starts from."""
    config = base.config
    found = getattr(config, "decoder_start_token_id", None)
    return int(config.bos_token_id if found is None else found)


def _by_row(base: Any, inputs: dict[str, Any], batch: Batch) -> Tensor:
    """Return what became of the positions that are learned, summed by row."""
    return summed_by_row(_scored(base, inputs, batch), batch)


def summed_by_row(found: Scored, batch: Batch) -> Tensor:
    """Return what became of S learned positions, summed by row; shape (rows, 4 · kinds).

    Columns are those of `tasks.likelihood`: summed loss, how many positions, and of how many the
    right token is the first, or among the first five; nan while a model learns. A batch may tell
    tokens of several kinds apart, which have four columns each.
    """
    rows = len(batch["lengths"] if "lengths" in batch else batch["input_ids"])
    # The owner of a token is its row, and for each further kind of token the row after all rows.
    owner, owners = batch["owner"], rows * int(batch.get("kinds", 1))
    losses = found.losses
    summed = losses.new_zeros(owners).index_add(0, owner, losses)
    counts = torch.bincount(owner, minlength=owners).to(losses.dtype)
    if found.hits is None:
        hits = losses.new_full((owners, len(TOPS)), float("nan"))
    else:
        hits = losses.new_zeros(owners, len(TOPS)).index_add(0, owner, found.hits)
    columns = torch.cat([summed[:, None], counts[:, None], hits], dim=1)
    return torch.cat([*columns.reshape(-1, rows, columns.shape[1])], dim=1)


def position_logits(base: Any, ids: Tensor) -> Iterator[Tensor]:
    """Yield the logits after each token of one text, in blocks of shape (positions, vocabulary).

    Args:
        base: a decoder.
        ids: shape (1, tokens).
    """
    head = base.get_output_embeddings()
    if not _is_last(base, head):
        yield base(input_ids=ids, use_cache=False).logits[0]
        return
    with _stopped_before(head) as caught:
        base(input_ids=ids, use_cache=False)
    for states in torch.split(caught[0][0], _POSITIONS):
        yield nn.functional.linear(states, head.weight, _bias(base, head))


def _is_last(base: Any, head: Any) -> bool:
    """Whether what leaves the output layer are the logits, as they are."""
    scaled = any(getattr(base.config, name, None) for name in _SCALES)
    return isinstance(head, nn.Linear) and not scaled


def _scored(base: Any, inputs: dict[str, Any], batch: Batch) -> Scored:
    """Return what became of each position that is learned."""
    head = base.get_output_embeddings()
    if not _is_last(base, head):
        logits = base(**inputs, use_cache=False).logits.flatten(0, 1)[batch["at"]]
        return scored_logits(logits, batch["next"])
    with _stopped_before(head) as caught:
        base(**inputs, use_cache=False)
    learned = caught[0].flatten(0, 1)[batch["at"]]
    return scored(learned, head.weight, _bias(base, head), batch["next"])


@contextmanager
def _stopped_before(head: nn.Module) -> Iterator[list[Tensor]]:
    """Catch what enters the output layer inside the block, and give the layer nothing to do.

    What a model does on the way there, such as T5's scaling, is then done by the model itself.
    """
    caught: list[Tensor] = []

    def catch(_: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        caught.append(arguments[0])
        return (arguments[0][:0],)

    handle = head.register_forward_pre_hook(catch)
    try:
        yield caught
    finally:
        handle.remove()


def _bias(base: Any, head: nn.Linear) -> Tensor | None:
    """Return what is added to the logits: BART and its kin keep a part beside the layer."""
    own: Tensor | None = head.bias
    beside: Tensor | None = getattr(base, "final_logits_bias", None)
    if beside is None:
        return own
    return beside[0] if own is None else own + beside[0]
