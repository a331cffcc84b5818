"""Refuse model folders that could run code, and damaged ones, before anything opens them.

A pickled weight file or a Python file in a model folder can do anything its author likes.
Only safetensors are read; `trust_remote_code` is never set.
"""

import json
from pathlib import Path
from typing import Any

from burnish.errors import ModelFormatError, UnsafeModelError

_PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
_CONFIGS = ("config.json", "tokenizer_config.json", "adapter_config.json")


def is_graph(folder: Path) -> bool:
    """Whether a folder holds graphs for ONNX Runtime, and no weights to train."""
    return any(folder.glob("*.onnx")) and not any(folder.glob("*.safetensors"))


def check_folder(folder: Path, *, graphs: bool = False) -> None:
    """Refuse a model folder that is unsafe or damaged.

    Args:
        folder: of the model.
        graphs: take ONNX graphs in place of weights.

    Raises:
        UnsafeModelError: BN302, Python files, `auto_map`, or weights in pickle form only.
        ModelFormatError: BN303, no configuration or weights, or they cannot be read.
    """
    code = sorted(folder.glob("*.py"))
    if code:
        raise _unsafe(f"the model folder holds code ({code[0].name})", code[0])
    found = [name for name in _CONFIGS if (folder / name).is_file()]
    for name in found:
        if "auto_map" in read_config(folder / name):
            raise _unsafe(f"{name} has `auto_map`, which asks for code to be run", folder / name)
    if graphs and is_graph(folder) and "config.json" in found:
        return
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickled = [path for path in sorted(folder.iterdir()) if path.suffix in _PICKLED]
        if pickled:
            raise _unsafe(f"the weights are pickled ({pickled[0].name})", pickled[0])
    if not weights or not {"config.json", "adapter_config.json"} & set(found):
        raise ModelFormatError(
            f"no {'*.safetensors' if found else 'config.json'} in the model folder",
            where=str(folder),
            fix="name a folder written by save_pretrained, or a run folder",
        )
    for path in weights:
        _check_weights(path)


def read_config(path: Path) -> dict[str, Any]:
    """Return the JSON object in a model's configuration file. Raises ModelFormatError (BN303)."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise damaged(path, err) from err
    if not isinstance(value, dict):
        raise damaged(path, ValueError("not a JSON object"))
    return value


def damaged(path: Path, err: Exception) -> ModelFormatError:
    """Return the error for a file of a model that cannot be read."""
    told = (str(err).splitlines() or [""])[0][:200]
    return ModelFormatError(
        f"cannot be read: {type(err).__name__}: {told}",
        where=str(path),
        fix="get the model again; a copy may have been cut short",
    )


def _check_weights(path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            file.keys()
    except (SafetensorError, OSError) as err:
        raise damaged(path, err) from err


def _unsafe(what: str, where: Path) -> UnsafeModelError:
    return UnsafeModelError(
        what,
        where=str(where),
        fix="use a model with safetensors weights and no code of its own; to convert weights "
        "you trust, load and save_pretrained them elsewhere",
    )
