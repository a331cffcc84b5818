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

    Raises:
        ModelFormatError: BN303, there is none, or it has no padding token.
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
    if not getattr(tokenizer, "is_fast", False) or tokenizer.pad_token_id is None:
        raise ModelFormatError(
            "the tokenizer is not a fast one with a padding token",
            where=str(folder),
            fix="use a model with a tokenizer.json that has a pad token",
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
