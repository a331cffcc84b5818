from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from burnish.evaluation.scaling import Scaling
from burnish.training.rescaling import rescale

SMALL = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,  # as wide as the model: only the head has three rows
    "num_labels": 3,
}
TOKENS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])


def bert() -> Any:
    return BertForSequenceClassification(BertConfig(**SMALL))


def distilbert() -> Any:
    config = DistilBertConfig(vocab_size=40, dim=16, n_layers=1, n_heads=2, hidden_dim=16)
    config.num_labels = 3
    return DistilBertForSequenceClassification(config)


def roberta() -> Any:
    return RobertaForSequenceClassification(RobertaConfig(**SMALL))


def adapted() -> Any:
    settings = LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query"])
    return get_peft_model(bert(), settings)


@pytest.mark.filterwarnings("ignore")  # PEFT asks for a name that transformers is giving up
@pytest.mark.parametrize("make", [bert, distilbert, roberta, adapted])
def test_logits_are_scaled_and_shifted(make: Any) -> None:
    torch.manual_seed(0)
    model = make().eval()
    with torch.no_grad():
        before = model(input_ids=TOKENS).logits

        assert rescale(model, Scaling(slope=0.5, shift=2.0), width=3, places=(0, 2))
        after = model(input_ids=TOKENS).logits

    torch.testing.assert_close(after, 0.5 * before + torch.tensor([2.0, 0.0, 2.0]))


def test_a_head_without_a_bias_takes_no_shift() -> None:
    config = GPT2Config(vocab_size=40, n_embd=16, n_layer=1, n_head=2, num_labels=3, pad_token_id=0)
    model = GPT2ForSequenceClassification(config)

    assert not rescale(model, Scaling(slope=0.5, shift=2.0), width=3, places=(0,))
    assert rescale(model, Scaling(slope=0.5, shift=0.0), width=3, places=())
