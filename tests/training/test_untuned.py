"""A model that nobody tuned here is asked as its own files say."""

from pathlib import Path

import pytest
import torch
import transformers

from burnish.errors import ModelFormatError
from burnish.training.hardware import Hardware
from burnish.training.modelfolder import Answerer

from .conftest import save_tiny_model, tiny_config, tiny_tokenizer

TEXTS = ["word0 word9 word11", "word1 word2", "word3"]
END = "[SEP]"


@pytest.mark.filterwarnings("ignore")  # transformers' pipeline warns of its own defaults
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_labels": 3, "problem_type": "multi_label_classification"},
        {"num_labels": 3, "id2label": {0: "red", 1: "green", 2: "blue"}},
    ],
)
def test_a_published_classifier_answers_as_its_pipeline(
    changes: dict[str, object], tmp_path: Path, hardware: Hardware
) -> None:
    folder = save_tiny_model(tmp_path / "m", **changes)
    pipe = transformers.pipeline("text-classification", model=str(folder), top_k=None)

    answers = Answerer.open(folder, hardware=hardware).answer(TEXTS)

    for found, told in zip(answers, pipe(TEXTS), strict=True):
        assert found.scores == pytest.approx({one["label"]: one["score"] for one in told}, abs=1e-5)
        multi_label = "problem_type" in changes
        likely = [one["label"] for one in told if one["score"] >= 0.5]
        assert set(found.answer) == (set(likely) if multi_label else {told[0]["label"]})


def test_a_published_decoder_goes_on_with_the_text(tmp_path: Path, hardware: Hardware) -> None:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=45, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=512, pad_token_id=0, eos_token_id=3,
        bos_token_id=None,
    )  # fmt: skip
    model = transformers.LlamaForCausalLM(config).eval()
    tokenizer = tiny_tokenizer()
    tokenizer.eos_token = END
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)

    (answer,) = Answerer.open(tmp_path, hardware=hardware).answer(TEXTS[:1])

    given = torch.tensor([tokenizer(TEXTS[0])["input_ids"]])
    made = model.generate(given, max_new_tokens=256, do_sample=False)[0, given.shape[1] :]
    text = tokenizer.decode(made, skip_special_tokens=True)
    assert answer.answer == (text,)


def test_a_published_masked_model_fills_masks(tmp_path: Path, hardware: Hardware) -> None:
    torch.manual_seed(3)
    transformers.BertForMaskedLM(tiny_config("bert")).save_pretrained(tmp_path)
    tiny_tokenizer().save_pretrained(tmp_path)

    (answer,) = Answerer.open(tmp_path, hardware=hardware).answer(TEXTS[:1])

    assert answer.scores["tokens"] > 0


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: transformers.BertModel(tiny_config("bert")), "is for no task: BertModel"),
        (
            lambda: transformers.BertForSequenceClassification(tiny_config("bert", num_labels=1)),
            "answers with a number",
        ),
    ],
)
def test_what_answers_no_task_is_told(make: object, told: str, tmp_path: Path) -> None:
    make().save_pretrained(tmp_path)  # type: ignore[operator]
    tiny_tokenizer().save_pretrained(tmp_path)

    with pytest.raises(ModelFormatError, match=told):
        Answerer.open(tmp_path)
