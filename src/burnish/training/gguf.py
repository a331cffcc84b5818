"""A GGUF file as an ordinary model folder, unpacked once and kept.

A GGUF file holds weights shortened to a few bits, tokenizer and chat template. transformers
reads it, but marks what it read as neither trainable nor savable; so the weights are put into a
fresh model of the same configuration and saved as bf16, which takes half a minute, once.
"""

import io
import os
from contextlib import redirect_stderr
from pathlib import Path

from filelock import FileLock
from safetensors import SafetensorError

from burnish.errors import ModelFormatError
from burnish.files import storage_errors, whole_folder
from burnish.training.guard import damaged
from burnish.training.quiet import quiet


def unpacked(file: Path, *, digest: str) -> Path:
    """Return the model folder of a GGUF file, made now if it was never made before.

    Args:
        file: the GGUF file.
        digest: its sha256, which names the folder; another file gets another folder.

    Raises:
        ModelFormatError: BN303, it cannot be read, or the package `gguf` is missing.
        StorageError: BN402, the folder cannot be written.
    """
    folder = cache_folder() / f"{file.stem}-{digest[:12]}"
    if (folder / "config.json").is_file():
        return folder
    with storage_errors(folder, SafetensorError):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _unpack(file, folder)
    return folder


def cache_folder() -> Path:
    """Return $XDG_CACHE_HOME/burnish or ~/.cache/burnish: unpacked models, and tokens.

    Made where it is not there, for its owner alone: tokens are texts in another form.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "burnish"
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _unpack(file: Path, folder: Path) -> None:
    """Write the folder whole or not at all."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = {"gguf_file": file.name, "local_files_only": True, "trust_remote_code": False}
    try:
        with quiet(), redirect_stderr(io.StringIO()):  # its bars ask nobody
            tokenizer = AutoTokenizer.from_pretrained(file.parent, **place)
            read = AutoModelForCausalLM.from_pretrained(file.parent, dtype="float32", **place)
            config = read.config
            del config.quantization_config
            model = AutoModelForCausalLM.from_config(config)
            model.load_state_dict(read.state_dict())
            model.generation_config = read.generation_config
    except ImportError as err:
        raise ModelFormatError(
            f"it is a GGUF file, and reading one needs a package that is missing: {err}",
            where=str(file),
            fix="pip install 'burnish[starter-lm]'",
        ) from err
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError) as err:
        raise damaged(file, err) from err
    with whole_folder(folder) as made, quiet():
        model.to(torch.bfloat16).save_pretrained(made)
        tokenizer.save_pretrained(made)
