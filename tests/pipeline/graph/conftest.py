"""Tiny random models of every kind, rows for them, and Hamilton's own driver on the graph."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import pytest
import torch
import transformers
from hamilton import driver
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from burnish.pipeline import nodes

WORDS = tuple(f"word{at}" for at in range(40))
SPECIAL = ("[PAD]", "[UNK]", "[START]", "[END]")
TOKENS = {"vocab_size": 44, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
KINDS = ("causal-lm", "seq2seq")
FAST = {
    "training.learning_rate": 1e-2,
    "training.batch_size": 8,
    "training.threads": 1,
    "training.precision": "fp32",
    "evaluation.resamples": 100,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "causal-lm": FAST | {"task.prompt": "{input}", "task.generation.max_new_tokens": 5},
    "seq2seq": FAST | {"task.generation.max_new_tokens": 5},
    "text-classification": FAST | {"task.max_length": 16, "training.average": None},
}

Execute = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _settings_of_this_process() -> Iterator[None]:
    """Undo what training sets for the whole process."""
    threads, matmul = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this module's tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(folder))
        patch.delenv("BURNISH_TOKEN_CACHE", raising=False)
        yield folder / "burnish"


def tiny_model(kind: str) -> Any:
    torch.manual_seed(3)
    if kind == "causal-lm":
        config: Any = transformers.LlamaConfig(
            **TOKENS, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        )  # fmt: skip
        return transformers.AutoModelForCausalLM.from_config(config)
    if kind == "seq2seq":
        config = transformers.T5Config(
            **TOKENS, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
            decoder_start_token_id=0,
        )  # fmt: skip
        return transformers.AutoModelForSeq2SeqLM.from_config(config)
    config = transformers.BertConfig(
        vocab_size=44, pad_token_id=0, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=64,
    )  # fmt: skip
    return transformers.AutoModelForSequenceClassification.from_config(config)


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {name: at for at, name in enumerate(SPECIAL + WORDS)}
    pad, unknown, start, end = SPECIAL
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="$A [END]", special_tokens=[("[END]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=pad, unk_token=unknown, eos_token=end, cls_token=start
    )


def made_rows(count: int = 60) -> list[dict[str, str]]:
    """Return rows whose reply is the last two words of the question."""
    rng = np.random.default_rng(0)
    questions = [rng.choice(WORDS, size=int(rng.integers(4, 10))).tolist() for _ in range(count)]
    return [
        {"question": " ".join(q), "reply": " ".join(q[-2:]), "size": ("large", "small")[at % 2]}
        for at, q in enumerate(questions)
    ]


@pytest.fixture(name="made_rows")
def _made_rows() -> list[dict[str, str]]:
    """Sixty rows."""
    return made_rows()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base model of each kind, and the rows as `data.json`."""
    folder = tmp_path_factory.mktemp("place")
    for kind in SETTINGS:
        tiny_model(kind).save_pretrained(folder / kind)
        tiny_tokenizer().save_pretrained(folder / kind)
    (folder / "data.json").write_text(json.dumps(made_rows()), "utf-8")
    return folder


@pytest.fixture(scope="module")
def inputs(place: Path) -> Callable[..., dict[str, Any]]:
    """Inputs of the graph for a kind of task; keywords replace them, None leaves one out."""

    def make(kind: str, **changes: Any) -> dict[str, Any]:
        given = {
            "data_path": str(place / "data.json"),
            "input_text_key": "question",
            "output_text_key": "size" if kind == "text-classification" else "reply",
            "model_id": str(place / kind),
            "random_state": 0,
            "train_size": 0.6,
            "validation_size": 0.2,
            "num_train_epochs": 1,
        } | changes
        given["settings"] = SETTINGS[kind] | (changes.get("settings") or {})
        return {key: value for key, value in given.items() if value is not None}

    return make


@pytest.fixture(scope="session")
def execute() -> Execute:
    """Drive the graph as a user does: Hamilton's builder, Burnish's module."""

    def go(
        outputs: list[str],
        inputs: dict[str, Any],
        *,
        start: str = "base",
        overrides: dict[str, Any] | None = None,
        adapters: tuple[Any, ...] = (),
    ) -> dict[str, Any]:
        builder = driver.Builder().with_modules(nodes).with_config({"start": start})
        graph = builder.with_adapters(*adapters).build()
        found: dict[str, Any] = graph.execute(outputs, inputs=inputs, overrides=overrides or {})
        return found

    return go
