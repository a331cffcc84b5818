"""What an encoder puts in the place of masks: the likeliest words of each, several masks a text.

Each mask is filled by itself: the words of one know nothing of those chosen for another.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from burnish.errors import EmptyDataError
from burnish.records import Fill
from burnish.tasks import batch as batches
from burnish.tasks.masked_lm import MaskedTask
from burnish.training.hardware import Hardware
from burnish.training.masked import padded_logits
from burnish.training.packing import padding_id, plain
from burnish.training.predict import answering, to_device

_AT_ONCE = 32  # texts
Filled = tuple[tuple[Fill, ...], ...]  # of one text: mask by mask, the likeliest first


def fill(
    model: Any,
    tokenizer: Any,
    task: MaskedTask,
    hardware: Hardware,
    texts: Sequence[str],
    *,
    top_k: int | None = None,
) -> list[Filled]:
    """Return for each text, mask by mask, the likeliest words with their probability.

    Args:
        model: foretells hidden words.
        tokenizer: the model's own.
        task: tells the mask and how many words are wanted.
        hardware: tells precision and device.
        texts: n of them; one without a mask gets nothing.
        top_k: words a mask, as far as the vocabulary has so many; None: as the task says.

    Raises:
        EmptyDataError: BN205, a text has a mask beyond what the model reads at once.
    """
    found: list[Filled] = []
    for start in range(0, len(texts), _AT_ONCE):
        block = list(texts[start : start + _AT_ONCE])
        found += _fill(model, tokenizer, task, hardware, block, top_k or task.top_k)
    return found


def _fill(
    model: Any,
    tokenizer: Any,
    task: MaskedTask,
    hardware: Hardware,
    texts: list[str],
    top_k: int,
) -> list[Filled]:
    rows = [np.array(ids, np.int32) for ids in tokenizer(texts, verbose=False)["input_ids"]]
    holes = [np.flatnonzero(row == task.mask_id) for row in rows]
    with_holes = [at for at, places in enumerate(holes) if len(places)]
    if not with_holes:
        return [()] * len(texts)
    for row in with_holes:
        _refuse_long(texts[row], len(rows[row]), tokenizer.model_max_length)
    batch = batches.padded([rows[at] for at in with_holes], pad_id=padding_id(model))
    width = batch["input_ids"].shape[1]
    at = np.concatenate([n * width + holes[row] for n, row in enumerate(with_holes)])
    batch |= {"at": torch.from_numpy(at)}
    with answering(model, hardware):
        logits = padded_logits(plain(model), to_device(batch, hardware.device))
        best = logits.float().softmax(dim=-1).topk(min(top_k, logits.shape[-1]), dim=-1)
    of_mask = iter(zip(best.values.tolist(), best.indices.tolist(), strict=True))
    return [
        tuple(_fills(tokenizer, rows[row], int(place), *next(of_mask)) for place in holes[row])
        for row in range(len(texts))
    ]


def _fills(
    tokenizer: Any, row: Any, place: int, scores: list[float], tokens: list[int]
) -> tuple[Fill, ...]:
    """Return the words for one mask, each with the text in which it stands there."""
    found, marks, ids = [], _marks(tokenizer), row.tolist()
    for score, token in zip(scores, tokens, strict=True):
        ids[place] = token
        text = tokenizer.decode(ids, skip_special_tokens=False)
        for mark in marks:
            text = text.replace(mark, "")
        found.append(
            Fill(
                score=score,
                token=token,
                token_str=tokenizer.decode([token]).strip(),
                sequence=" ".join(text.split()),
            )
        )
    return tuple(found)


def _marks(tokenizer: Any) -> set[str]:
    """Return the marks that a text is told without; masks that are still open stay."""
    return set(tokenizer.all_special_tokens) - {tokenizer.mask_token, tokenizer.unk_token}


def _refuse_long(text: str, tokens: int, longest: int) -> None:
    if tokens > longest:
        raise EmptyDataError(
            f"a text to be filled has {tokens} tokens; the model reads {longest} at once",
            where=f"{text[:60]!r}",
            fix="give the sentences around the mask alone",
        )
