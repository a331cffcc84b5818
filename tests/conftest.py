"""What all tests share."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test leaves tokens of its texts in the home of who runs it; those about the cache turn it on.
os.environ.setdefault("BURNISH_TOKEN_CACHE", "off")

# How fast inputs are drawn says something of the machine and nothing of Burnish: on a fresh clone
# the first draw of any text builds the table of characters.
settings.register_profile(
    "burnish", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("burnish")


_NOBODY = 65534


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder that the test may not look into, whoever runs it."""
    folder, user = tmp_path / "closed", os.geteuid()
    folder.mkdir(mode=0)
    if user == 0:
        os.seteuid(_NOBODY)
    yield folder
    os.seteuid(user)


@pytest.fixture(scope="session")
def byte_level() -> Callable[..., Any]:
    """The maker of tokenizers like GPT-2's: bytes, and a few merges learned from texts."""

    def make(*texts: str, size: int = 300, pre: Any = None, **model: Any) -> Any:
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
        from transformers import PreTrainedTokenizerFast

        pad, start, end = "<pad>", "<s>", "</s>"
        backend = Tokenizer(models.BPE(**model))
        backend.pre_tokenizer = pre or pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=size,
            special_tokens=[pad, start, end],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(list(texts) * 3, trainer)
        return PreTrainedTokenizerFast(
            tokenizer_object=backend, pad_token=pad, bos_token=start, eos_token=end
        )

    return make
