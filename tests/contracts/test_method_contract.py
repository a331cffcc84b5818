from copy import deepcopy
from typing import Any, get_args

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from burnish.recipe.training import FullMethod, LoraMethod, QloraMethod
from burnish.training.methods import METHODS

OPTIONS: dict[str, Any] = {
    "full": FullMethod(freeze=1),
    "lora": LoraMethod(rank=2),
    "qlora": QloraMethod(rank=2),
    "qlora in 8 bits": QloraMethod(rank=2, bits=8),
}
IDS = torch.tensor([[2, 5, 6, 7, 3]])


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_labels=2,
    )
    return BertForSequenceClassification(config).eval()


def answers(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=IDS).logits


@pytest.mark.parametrize("name", OPTIONS)
def test_preparing_changes_no_answer_and_leaves_something_to_train(name: str, model: Any) -> None:
    options = OPTIONS[name]
    method = METHODS.get(options.kind)
    before = answers(method.base(deepcopy(model), getattr(options, "bits", None)))

    prepared = method.prepare(model, options)

    torch.testing.assert_close(answers(prepared), before)
    trained = [name for name, weight in prepared.named_parameters() if weight.requires_grad]
    assert any("classifier" in name for name in trained)
    assert len(trained) < len(list(prepared.parameters()))


@pytest.mark.parametrize("name", OPTIONS)
def test_merging_gives_an_ordinary_model_with_the_same_answers(name: str, model: Any) -> None:
    method = METHODS.get(OPTIONS[name].kind)
    prepared = method.prepare(model, OPTIONS[name])
    with torch.no_grad():
        for weight in prepared.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight), alpha=0.01)
    before = answers(prepared)

    merged = method.merge(prepared)

    assert type(merged) is BertForSequenceClassification
    torch.testing.assert_close(answers(merged), before, atol=1e-5, rtol=0)


def test_every_method_of_the_recipe_is_registered() -> None:
    from burnish.recipe import training

    kinds = [one.model_fields["kind"].default for one in get_args(get_args(training.Method)[0])]

    assert METHODS.names() == sorted(kinds) == sorted({one.kind for one in OPTIONS.values()})
