"""What is served stays what was read and proved, whatever becomes of its files."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from burnish.errors import ModelFormatError
from burnish.serving.engine import Ask
from burnish.serving.models import Candidate
from burnish.serving.opening import find
from burnish.serving.weights import hold_apart
from burnish.training.exports.onnx import EXPORT as GRAPH
from burnish.training.methods.lora import as_of_now
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.sources import resolve

from .conftest import HARDWARE, classifier

TEXTS = ["word1 word2 word3", "word9 word4", "word7"]


def found(folder: Path, precision: Any = "auto") -> Candidate:
    return find("model", str(folder), fetchers={}, precision=precision)


def answers(engine: Any) -> list[Any]:
    reads = engine.read([Ask(text=text) for text in TEXTS])
    return [one.prediction.scores for one in engine.answer(reads)]


def plain(folder: Path) -> Path:
    return classifier(folder)


def graph(folder: Path) -> Path:
    opened = Answerer.open(resolve(str(classifier(folder / "weights"))), hardware=HARDWARE)
    (folder / "graph").mkdir()
    GRAPH.write(opened, {}, folder / "graph")
    return folder / "graph"


def adapted(folder: Path) -> Path:
    """Adapters over a classifier, in folders side by side."""
    base = classifier(folder / "base")
    opened = Answerer.open(resolve(str(base)), hardware=HARDWARE)
    settings = LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    with as_of_now():
        model = get_peft_model(opened.model, settings)
    model.peft_config["default"].base_model_name_or_path = str(base)
    meta = {"name": "a", "base_model": str(base), "method": "lora", "scores": []}
    save_model_folder(folder / "adapters", model, opened.tokenizer, opened.task, meta=meta)
    return folder / "adapters"


@pytest.mark.parametrize(
    ("make", "precision"), [(plain, "auto"), (plain, "bf16"), (adapted, "auto"), (graph, "auto")]
)
def test_answers_stay_when_files_are_written_over_or_cut_short(
    make: Callable[[Path], Path], precision: str, tmp_path: Path
) -> None:
    engine = found(make(tmp_path / "model"), precision).load()
    before = answers(engine)

    files = [*tmp_path.rglob("*.safetensors"), *tmp_path.rglob("*.onnx")]
    assert files
    for path in files:
        size = path.stat().st_size
        with path.open("r+b") as file:  # in place, as `cp` does
            file.write(b"\x3f" * size)
    assert answers(engine) == before
    for path in files:
        path.write_bytes(b"")
    assert answers(engine) == before


def test_a_folder_that_is_written_to_while_it_is_read_is_not_served(
    other_classifier: Path, tmp_path: Path
) -> None:
    candidate = found(classifier(tmp_path / "model"))
    shutil.copytree(other_classifier, tmp_path / "model", dirs_exist_ok=True)

    with pytest.raises(ModelFormatError, match="written to while it was read") as refused:
        candidate.load()

    assert "rename it into place" in refused.value.fix


def test_tied_weights_stay_tied() -> None:
    model = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 7), nn.BatchNorm1d(7))
    model[1].weight = model[0].weight
    model[2].weight = nn.Parameter(model[1].bias.detach())  # another parameter over one memory
    before = {name: one.clone() for name, one in model.state_dict().items()}
    places = {one.data_ptr() for one in model.state_dict().values()}

    hold_apart(model)

    after = model.state_dict()
    assert model[1].weight is model[0].weight
    assert after["2.weight"].data_ptr() == after["1.bias"].data_ptr()
    assert not places & {one.data_ptr() for one in after.values()}
    for name, one in after.items():
        torch.testing.assert_close(one, before[name], rtol=0, atol=0)
