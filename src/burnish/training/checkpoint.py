"""Checkpoints: weights and state of a run, whole or not at all, verified when read.

A checkpoint is three files: `<name>-<step>.safetensors` (the weights that move, so adapters
only under LoRA), `<name>-<step>.state.pt` (optimizer and counters) and `<name>.json`, which
names the two with their sha256 and is written last. A run that is killed while saving still
has the checkpoint before it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from burnish.errors import CheckpointError, RunFolderError
from burnish.files import atomic_writer, read_json, sha256, write_json

LAST, BEST = "last", "best"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What was saved."""

    step: int
    metrics: dict[str, float]
    weights: dict[str, Tensor]  # by name; those that move
    state: dict[str, Any]  # plain values and tensors; empty where only weights were kept


def moving_weights(model: Any) -> dict[str, Tensor]:
    """Return the weights that are trained, by name, as contiguous copies on the processor."""
    return {
        name: weight.detach().cpu().contiguous()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


@torch.no_grad()
def restore_weights(model: Any, weights: dict[str, Tensor], *, where: Path) -> None:
    """Put saved weights back into the model.

    Raises:
        CheckpointError: BN502, names or shapes are of another model.
    """
    own = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    wrong = sorted(set(own) ^ set(weights)) or sorted(
        name for name in own if own[name].shape != weights[name].shape
    )
    if wrong:
        raise CheckpointError(
            f"{len(wrong)} weight(s) do not fit the model; first: {wrong[0]}",
            where=str(where),
            fix="resume with the recipe of that run, or start a new run",
        )
    for name, weight in own.items():
        weight.copy_(weights[name])


def save_checkpoint(folder: Path, name: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, then drop the older one of that name.

    Raises:
        StorageError: BN402, no space or no permission.
    """
    weights = folder / f"{name}-{checkpoint.step}.safetensors"
    with atomic_writer(weights) as file:
        file.write(save(checkpoint.weights))
    files = {"weights": {"file": weights.name, "sha256": sha256(weights)}}
    if checkpoint.state:
        state = folder / f"{name}-{checkpoint.step}.state.pt"
        with atomic_writer(state) as file:
            torch.save(checkpoint.state, file)
        files["state"] = {"file": state.name, "sha256": sha256(state)}
    write_json(
        folder / f"{name}.json",
        {"step": checkpoint.step, "metrics": checkpoint.metrics, **files},
    )
    kept = {entry["file"] for entry in files.values()}
    for path in folder.glob(f"{name}-*"):
        if path.is_file() and path.name not in kept:
            path.unlink()


def load_checkpoint(folder: Path, name: str) -> Checkpoint:
    """Read a checkpoint back.

    Raises:
        CheckpointError: BN502, it is not there, damaged, or not what was written.
    """
    try:
        index = read_json(folder / f"{name}.json")
        weights = load_file(_verified(folder, index["weights"]))
        state = {}
        if "state" in index:
            path = _verified(folder, index["state"])
            state = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(
            step=int(index["step"]), metrics=index["metrics"], weights=weights, state=state
        )
    except (RunFolderError, OSError, KeyError, TypeError, ValueError, SafetensorError) as err:
        raise CheckpointError(
            f"the checkpoint {name!r} cannot be read: {type(err).__name__}: {err}",
            where=str(folder / f"{name}.json"),
            fix="start a new run with `burnish run`",
        ) from err


def has_checkpoint(folder: Path, name: str) -> bool:
    """Return whether a checkpoint of that name was written."""
    return (folder / f"{name}.json").is_file()


def _verified(folder: Path, entry: dict[str, str]) -> Path:
    path = folder / entry["file"]
    found = sha256(path)
    if found != entry["sha256"]:
        raise CheckpointError(
            f"{path.name} is damaged: sha256 {found}, not {entry['sha256']}",
            where=str(path),
            fix="start a new run with `burnish run`",
        )
    return path
