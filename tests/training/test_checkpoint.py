from pathlib import Path
from typing import Any

import pytest
import torch

from burnish.errors import CheckpointError
from burnish.training.checkpoint import (
    Checkpoint,
    has_checkpoint,
    load_checkpoint,
    restore_weights,
    save_checkpoint,
)


def checkpoint(step: int, *, state: dict[str, Any] | None = None) -> Checkpoint:
    return Checkpoint(
        step=step,
        metrics={"validation/f1": 0.5},
        weights={"a": torch.full((3,), float(step))},
        state=state or {},
    )


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    state = {"run": {"step": 3, "history": [{"x": 1.0}]}, "moments": [torch.arange(4)]}
    save_checkpoint(tmp_path, "last", checkpoint(3, state=state))

    found = load_checkpoint(tmp_path, "last")

    assert (found.step, found.metrics) == (3, {"validation/f1": 0.5})
    assert found.weights["a"].tolist() == [3, 3, 3]
    assert found.state["run"] == state["run"]
    assert torch.equal(found.state["moments"][0], torch.arange(4))


def test_a_newer_checkpoint_replaces_the_older_and_leaves_others(tmp_path: Path) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, "last", checkpoint(step, state={"x": 1}))
    save_checkpoint(tmp_path, "best", checkpoint(1))

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "best-1.safetensors",
        "best.json",
        "last-2.safetensors",
        "last-2.state.pt",
        "last.json",
    ]


def test_a_save_cut_short_leaves_the_one_before(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "last", checkpoint(1))
    (tmp_path / "last-2.safetensors").write_bytes(b"half a file")  # killed before last.json

    assert load_checkpoint(tmp_path, "last").step == 1


def test_absence_is_told(tmp_path: Path) -> None:
    assert not has_checkpoint(tmp_path, "last")
    with pytest.raises(CheckpointError, match=r"BN502[\s\S]*last"):
        load_checkpoint(tmp_path, "last")


def test_damage_is_told(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, "last", checkpoint(1))
    (tmp_path / "last-1.safetensors").write_bytes(b"something else")

    with pytest.raises(CheckpointError, match=r"is damaged: sha256"):
        load_checkpoint(tmp_path, "last")


@pytest.mark.parametrize("weights", [{"b": torch.zeros(3)}, {"a": torch.zeros(4)}])
def test_weights_of_another_model_are_refused(weights: dict[str, torch.Tensor]) -> None:
    model = torch.nn.Module()
    model.a = torch.nn.Parameter(torch.zeros(3))

    with pytest.raises(CheckpointError, match=r"do not fit the model; first: a"):
        restore_weights(model, weights, where=Path("checkpoints"))
