"""Tokenizers of model folders; one that Burnish wrote is opened without torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from burnish.errors import ModelFormatError
from burnish.training.guard import damaged
from burnish.training.quiet import quiet
from burnish.training.sources import ModelSource

_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


def open_tokenizer(source: ModelSource) -> Any:
    """Return the fast tokenizer of a model as it was saved.

    One without a padding token, as most decoders have it, pads with its end mark, or else with the
    token for unknown words: padding is never attended to.

    Raises:
        ModelFormatError: BN303, there is none, it is a slow one, or nothing in it could pad.
    """
    from transformers import AutoTokenizer

    folders = [source.folder, source.config_folder]
    # Without these files transformers makes an empty tokenizer, which knows no word.
    found = [one for one in folders if any((one / name).is_file() for name in _VOCABULARIES)]
    if not found:
        raise ModelFormatError(
            "the folder has no tokenizer",
            where=str(source.folder),
            fix=f"add one of {', '.join(_VOCABULARIES)}",
        )
    folder = found[0]
    with loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if not getattr(tokenizer, "is_fast", False):
        raise ModelFormatError(
            f"{type(tokenizer).__name__} is a slow tokenizer, written in Python",
            where=str(folder),
            fix="use a model with a tokenizer.json",
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token_id is None:
        raise ModelFormatError(
            "the tokenizer has no token to pad with: no pad_token, eos_token or unk_token",
            where=str(folder),
            fix="name one of its tokens as pad_token in tokenizer_config.json",
        )
    return tokenizer


def open_saved_tokenizer(folder: Path) -> Any:
    """Return the tokenizer that Burnish wrote to a folder: of one file, and of no class of its own.

    `open_tokenizer` finds the class of any model's, for which transformers loads torch.

    Raises:
        ModelFormatError: BN303, it is missing or damaged.
    """
    from transformers import PreTrainedTokenizerFast

    with loading(folder):
        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Keep transformers quiet, and turn what it raises about a bad folder into our error."""
    try:
        with quiet():
            yield
    # The loaders raise anything from KeyError to their own errors for a malformed folder.
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as err:
        raise damaged(folder, err) from err
