"""Frozen weights held in bf16 while adapters train: the same losses, and the same model after."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import transformers

from burnish.data.starter import clauses
from burnish.errors import ModelFormatError
from burnish.recipe.classification import ClassificationTask as Section
from burnish.recipe.recipe import Recipe
from burnish.recipe.training import LoraMethod
from burnish.records import LabelSpace
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.tracking.base import MemoryTracker
from burnish.training.averaging import averages
from burnish.training.fit import FitResult, fit
from burnish.training.frozen import RoundedWeights
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS, lora
from burnish.training.models import load_model, load_tokenizer
from burnish.training.pooler import average_tokens
from burnish.training.sources import ModelSource, resolve

SIZES = {"vocab_size": 40, "pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0}
IDS = torch.tensor([[5, 6, 7, 8, 1], [9, 10, 11, 12, 1]])


def t5() -> Any:
    config = transformers.T5Config(
        **SIZES, d_model=16, d_kv=4, d_ff=16, num_layers=2, num_heads=4, tie_word_embeddings=True
    )
    return transformers.T5ForConditionalGeneration(config)


def llama() -> Any:
    config = transformers.LlamaConfig(
        vocab_size=40, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=4, pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def adapted(model: Any) -> Any:
    torch.manual_seed(1)
    found = lora.prepare(model, LoraMethod(rank=2))
    for name, weight in found.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return found


def gradients(model: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    moving = [one for one in model.parameters() if one.requires_grad]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(input_ids=IDS, labels=IDS).loss
    return loss, list(torch.autograd.grad(loss, moving))


@pytest.mark.parametrize("make", [t5, llama])
def test_loss_and_gradients_are_those_of_autocast_and_undone_the_weights_are_as_before(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    make().save_pretrained(tmp_path)
    kind = type(make())

    def reopen() -> Any:
        return kind.from_pretrained(tmp_path)

    model = adapted(reopen()).eval()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    wanted = gradients(model)
    words, head = (getattr(model, f"get_{end}_embeddings")() for end in ("input", "output"))
    tied = words.weight is head.weight

    rounded = RoundedWeights.hold(lora.still_layers(model), model, reopen=reopen)
    found = gradients(model)
    held = {name: weight.dtype for name, weight in model.named_parameters()}
    rounded.undo()

    torch.testing.assert_close(found, wanted, rtol=0, atol=0)
    assert head.weight.dtype == words.weight.dtype == torch.float32
    assert tied == (make is t5) == (words.weight is head.weight)
    beside = [name for name in held if ".base_layer." in name]
    assert len(beside) >= 2 * 7
    assert {held[name] for name in beside} == {torch.bfloat16}
    assert {held[name] for name in held if "lora" in name or "norm" in name} == {torch.float32}
    after = dict(model.named_parameters())
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_another_model_in_the_place_of_the_first_is_told() -> None:
    torch.manual_seed(0)
    model = adapted(llama())

    def reopen() -> Any:
        return llama()  # of other random numbers

    rounded = RoundedWeights.hold(lora.still_layers(model), model, reopen=reopen)

    with pytest.raises(ModelFormatError, match="are others than when the training began"):
        rounded.undo()


def trained(
    asked: Recipe,
    task: ClassificationTask,
    source: ModelSource,
    train: Encoded,
    hardware: Hardware,
) -> FitResult:
    """Train in bf16, with nothing kept beside the result."""
    return fit(
        asked,
        task,
        source,
        train,
        None,
        hardware=replace(hardware, precision="bf16"),
        tracker=MemoryTracker(),
        checkpoints=None,
    )


def test_a_run_in_bf16_learns_to_the_last_bit_as_without_and_gives_the_base_back(
    make_recipe: Callable[..., Recipe],
    tiny: ModelSource,
    task: ClassificationTask,
    train: Encoded,
    hardware: Hardware,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = make_recipe(method={"kind": "lora", "rank": 2}, dropout=0.1)
    held = trained(asked, task, tiny, train, hardware)
    monkeypatch.setattr(RoundedWeights, "hold", lambda *_, **__: None)
    plain = trained(asked, task, tiny, train, hardware)

    losses = [
        [line["metrics"].get("train/loss_step") for line in one.history] for one in (held, plain)
    ]
    assert losses[0] == losses[1]
    weights = [dict(one.model.named_parameters()) for one in (held, plain)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())
    assert held.weights_mb[0] < 0.8 * plain.weights_mb[0]
    assert held.weights_mb[1] == plain.weights_mb[1]


def test_a_layer_that_training_adds_is_given_back_too(
    make_recipe: Callable[..., Recipe], hardware: Hardware
) -> None:
    source = resolve("sentence-transformers/all-MiniLM-L6-v2")
    space = LabelSpace(names=("arbitration", "jurisdiction"), multi_label=True)
    task = ClassificationTask.from_recipe(Section(max_length=64), space)
    texts = clauses("train")["text"].head(16)
    labels = [list(space.names[: at % 3]) for at in range(16)]
    rows = pl.DataFrame({"id": list(map(str, range(16))), "text": texts, "labels": labels})
    train = task.encode(rows, load_tokenizer(source, task))

    asked = make_recipe(method={"kind": "lora", "rank": 2}, epochs=1.0)
    found = trained(asked, task, source, train, hardware)

    assert averages(found.model)
    fresh = load_model(source, task)
    average_tokens(fresh, train, task)
    still = dict(fresh.named_parameters())
    frozen = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): one
        for name, one in found.model.named_parameters()
        if not one.requires_grad and "original_module" not in name
    }
    assert len(frozen) > 100
    assert all(torch.equal(one, still[name]) for name, one in frozen.items())


def test_methods_that_save_all_weights_hold_none_rounded(tiny: ModelSource) -> None:
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tiny.folder)

    assert METHODS.get("full").still(model) == {}
    assert METHODS.get("qlora").still(model) == {}
