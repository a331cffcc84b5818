"""The table of a model tells each layer once, and its figures are those of the weights."""

from collections.abc import Callable
from typing import Any

import pytest
import transformers

from burnish.recipe.recipe import Recipe
from burnish.training.fit import FitResult
from burnish.training.summary import model_summary
from burnish.training.weights import weight_mb

Fit = Callable[..., FitResult]


def cells(summary: str, layer: str) -> list[str]:
    """Return the line of a layer: its kind and shape, and its figures."""
    (line,) = (one for one in summary.splitlines() if one.split()[:1] == [layer])
    return line.split()[1:]


def test_layers_have_shape_weights_and_bytes_and_those_alike_share_a_line(
    tiny_config: Callable[..., Any],
) -> None:
    model = transformers.BertForSequenceClassification(tiny_config("bert", num_labels=5))
    encoder = sum(weight.numel() for weight in model.bert.encoder.parameters())

    told = model_summary(model)

    words = f"{45 * 32:,}"
    assert cells(told, "bert.embeddings.word_embeddings") == [
        "Embedding", "45", "×", "32", words, words, f"{45 * 32 * 4 / 1e6:.2f}",
    ]  # fmt: skip
    assert cells(told, "bert.encoder.layer.0–2")[:3] == ["3", "BertLayer", f"{encoder:,}"]
    assert "bert.encoder.layer.1" not in told
    assert cells(told, "classifier")[:4] == ["Linear", "5", "×", "32"]
    assert "dropout" not in told  # it has no weights


@pytest.mark.parametrize(
    "method", [{"kind": "full"}, {"kind": "full", "freeze": 2}, {"kind": "lora", "rank": 4},
               {"kind": "qlora", "rank": 4}],
    ids=["full", "frozen layers", "lora", "qlora"],
)  # fmt: skip
def test_the_total_is_what_was_trained_whatever_the_method(
    method: dict[str, Any], run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    fitted = run(make_recipe(method=method, epochs=1.0))
    share = fitted.trainable_parameters / fitted.total_parameters

    told = model_summary(fitted.model)

    assert told.splitlines()[0] == (
        f"BertForSequenceClassification: {fitted.total_parameters:,} weights, of which "
        f"{fitted.trainable_parameters:,} ({share:.2%}) are trained; "
        f"{sum(weight_mb(fitted.model)):,.2f} MB"
    )
    assert cells(told, "total")[1] == f"{fitted.total_parameters:,}"


def test_layers_that_differ_have_lines_of_their_own(tiny_config: Callable[..., Any]) -> None:
    model = transformers.BertForSequenceClassification(tiny_config("bert"))
    for weight in model.bert.encoder.layer[0].parameters():
        weight.requires_grad = False

    told = model_summary(model)

    assert cells(told, "bert.encoder.layer.0")[2] == "0"
    assert cells(told, "bert.encoder.layer.1–2")[:2] == ["2", "BertLayer"]


def test_weights_that_layers_share_count_once_and_that_is_said() -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    shared, apart = (
        transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                **sizes, num_attention_heads=4, vocab_size=64, tie_word_embeddings=tied
            )
        )
        for tied in (True, False)
    )

    assert "count once" in model_summary(shared)
    assert "count once" not in model_summary(apart)
    assert cells(model_summary(shared), "total")[1] == f"{shared.num_parameters():,}"
