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
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from burnish.training import causal_blocks
from burnish.training.causal_blocks import Blocks
from burnish.training.packing import plain
from burnish.training.segments import packed_calls
from burnish.training.token_loss import token_losses

Batch = dict[str, Tensor]

# Decoders that call their attention through transformers' interface and attend to all that is
# before; each is in the tests.
PACKABLE = ("llama", "qwen2", "qwen3", "mistral", "gpt_neox", "gpt2", "smollm3")
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
    """Return the summed loss of each row's tokens that are learned, and their number.

    Shape (rows, 2); (rows, 2 · kinds) where a batch tells tokens of several kinds apart.
    """
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
    with packed_calls(plain(model), causal_blocks.NAME):
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
    """Return the losses of the positions that are learned, summed by row, with their count."""
    return summed_by_row(_losses(base, inputs, batch), batch)


def summed_by_row(losses: Tensor, batch: Batch) -> Tensor:
    """Return the losses of learned positions, shape (S,), summed by row, with their count."""
    rows = len(batch["lengths"] if "lengths" in batch else batch["input_ids"])
    # The owner of a token is its row, and for each further kind of token the row after all rows.
    owners = rows * int(batch.get("kinds", 1))
    summed = losses.new_zeros(owners).index_add(0, batch["owner"], losses)
    counts = torch.bincount(batch["owner"], minlength=owners).to(losses.dtype)
    return torch.cat([*torch.stack([summed, counts], dim=1).reshape(-1, rows, 2)], dim=1)


def _losses(base: Any, inputs: dict[str, Any], batch: Batch) -> Tensor:
    """Return the loss of each position that is learned, shape (S,)."""
    head = base.get_output_embeddings()
    scaled = any(getattr(base.config, name, None) for name in _SCALES)
    if not isinstance(head, nn.Linear) or scaled:
        logits = base(**inputs, use_cache=False).logits.flatten(0, 1)[batch["at"]]
        return F.cross_entropy(logits.float(), batch["next"], reduction="none")
    with _stopped_before(head) as caught:
        base(**inputs, use_cache=False)
    learned = caught[0].flatten(0, 1)[batch["at"]]
    return token_losses(learned, head.weight, _bias(base, head), batch["next"])


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
