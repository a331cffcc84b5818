from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import PeftModel

from burnish.errors import ModelTaskError
from burnish.recipe.recipe import Recipe
from burnish.recipe.training import FullMethod, LoraMethod
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded
from burnish.training.cache import HiddenCache
from burnish.training.datamodule import Feed, StepData
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS, full, lora
from burnish.training.models import load_model
from burnish.training.packing import from_hidden, packed_logits
from burnish.training.predict import raw_outputs
from burnish.training.segments import Segments
from burnish.training.sources import ModelSource
from burnish.training.state import Plan, RunState


@pytest.fixture
def model(tiny: ModelSource, task: ClassificationTask) -> Any:
    torch.manual_seed(0)
    return load_model(tiny, task)


def moved_adapters(model: Any) -> Any:
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.2)
    return model


def test_merged_adapters_answer_as_unmerged_ones(
    model: Any, task: ClassificationTask, choose: Encoded, hardware: Hardware
) -> None:
    adapted = moved_adapters(lora.prepare(model, LoraMethod(rank=4))).eval()
    before = raw_outputs(adapted, choose, task, hardware)

    merged = lora.merge(adapted)

    after = raw_outputs(merged, choose, task, hardware)
    torch.testing.assert_close(torch.from_numpy(after), torch.from_numpy(before), atol=1e-5, rtol=0)
    assert not any("lora" in name for name, _ in merged.named_parameters())


def test_training_adapters_leaves_the_base_weights_alone(
    run: Callable[..., FitResult],
    make_recipe: Callable[..., Recipe],
    model: Any,
    tiny: ModelSource,
    tmp_path: Path,
) -> None:
    before = {name: weight.clone() for name, weight in model.named_parameters()}

    result = run(make_recipe(method={"kind": "lora", "rank": 2}, keep="last"), choose=None)

    base = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): weight
        for name, weight in result.model.named_parameters()
        if not weight.requires_grad and "original_module" not in name
    }
    assert len(base) > 20
    for name, weight in base.items():
        assert torch.equal(weight, before[name]), name
    saved = next((tmp_path / "run" / "checkpoints").glob("last-*.safetensors"))
    assert saved.stat().st_size < (tiny.folder / "model.safetensors").stat().st_size


def test_every_linear_layer_of_the_body_gets_an_adapter_and_the_head_is_trained(model: Any) -> None:
    adapted = lora.prepare(model, LoraMethod(rank=2))

    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert sum("lora_A" in name for name in trained) == 3 * 6
    assert any("classifier" in name for name in trained)
    assert any("pooler" in name for name in trained)
    assert not any("embeddings" in name for name in trained)


def gpt2() -> Any:
    """Return a tiny model whose linear layers hold their weights as (in, out)."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def test_adapters_beside_gpt_2_s_layers_compute_as_peft_s_own_and_merge(tmp_path: Path) -> None:
    ids = torch.randint(0, 40, (2, 7))
    model = moved_adapters(lora.prepare(gpt2(), LoraMethod(rank=4)))
    lora.save_adapter(model, tmp_path)
    with lora.as_of_now():
        theirs = PeftModel.from_pretrained(gpt2(), tmp_path, is_trainable=True).eval()

    for one in (model.eval(), theirs):
        one(input_ids=ids, labels=ids).loss.backward()
    adapters = {name: part.grad for name, part in theirs.named_parameters() if part.requires_grad}
    before = model(input_ids=ids).logits

    assert len(adapters) == 2 * 2 * 4  # two matrices, two layers: c_attn, two c_proj, c_fc
    for name, part in model.named_parameters():
        if part.requires_grad:
            torch.testing.assert_close(part.grad, adapters[name], atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(theirs(input_ids=ids).logits, before)
    merged = lora.merge(model)
    torch.testing.assert_close(merged(input_ids=ids).logits, before, atol=1e-5, rtol=0)
    assert type(merged) is type(gpt2())
    assert not torch.allclose(gpt2()(input_ids=ids).logits, before, atol=1e-2)


def test_targets_that_match_nothing_are_told_with_those_that_would(model: Any) -> None:
    with pytest.raises(ModelTaskError, match=r"BN304[\s\S]*q_proj[\s\S]*query"):
        lora.prepare(model, LoraMethod(targets=("q_proj",)))


def test_more_frozen_layers_than_there_are_is_told(model: Any) -> None:
    with pytest.raises(ModelTaskError, match=r"9 layers to freeze, the model has 3"):
        full.prepare(model, FullMethod(freeze=9))


@pytest.mark.parametrize("limit_bytes", [None, 20_000, 0])
def test_kept_outputs_of_frozen_layers_give_the_uncached_result(
    limit_bytes: int | None,
    model: Any,
    task: ClassificationTask,
    train: Encoded,
    make_recipe: Callable[..., Recipe],
) -> None:
    training = make_recipe().training
    model = full.prepare(model, FullMethod(freeze=2)).eval()
    cache = HiddenCache(model, upto=2, limit_bytes=limit_bytes)
    state, plan = RunState(), Plan.of(rows_per_epoch=len(train), batch_size=8, epochs=2)
    feed = Feed(packed=True, pad_id=0, tokens_per_batch=64)
    data = StepData(train, task, training, feed=feed, plan=plan, state=state)

    for state.epoch in (0, 1):
        for step in data:
            for batch in step.passes:
                segments = Segments.of(batch["lengths"], batch["input_ids"].shape[1])
                found = from_hidden(model, cache.hidden(batch, segments), segments, start=2)
                torch.testing.assert_close(found, packed_logits(model, batch), atol=1e-5, rtol=0)


def test_registered_methods_are_the_recipe_s() -> None:
    assert METHODS.names() == ["full", "lora", "qlora"]
