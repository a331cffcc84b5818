"""The two graphs of an encoder-decoder write what the model they came from writes."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import transformers

from burnish.errors import MissingPackageError
from burnish.records import Prediction
from burnish.tasks.seq2seq import Seq2SeqTask
from burnish.training.exports.onnx import EXPORT
from burnish.training.hardware import Hardware
from burnish.training.modelfolder import Answerer

META = {"name": "echo", "base_model": "owner/tiny", "method": "lora", "scores": []}


def loud(model: Any, factor: float) -> Any:
    """Return the model with weights so large that every text gets an answer of its own."""
    for weight in model.parameters():
        weight.data = (weight.data * (factor if weight.ndim > 1 else 1)).half().float()
    return model.eval()


def written(
    answerer: Answerer, folder: Path, rows: pl.DataFrame
) -> tuple[list[Prediction], list[Prediction]]:
    """Return the answers before and after an export."""
    encoded = answerer.task.encode(rows, answerer.tokenizer)
    folder.mkdir()
    EXPORT.write(answerer, META, folder)
    return answerer.answer_rows(rows), EXPORT.open(folder)(encoded)


def pair(kind: str, rows: int) -> Any:
    """Return a random encoder-decoder."""
    torch.manual_seed(0)
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    common = special | {"vocab_size": rows, "decoder_start_token_id": 1}
    if kind == "t5":
        sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
        config: Any = transformers.T5Config(**common, **sizes)
    elif kind == "bart":
        sizes = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3}
        sizes |= {f"{side}_{what}": n for side in ("encoder", "decoder")
                  for what, n in (("attention_heads", 4), ("ffn_dim", 48))}  # fmt: skip
        config = transformers.BartConfig(**common, **sizes, max_position_embeddings=64)
    else:
        layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
        sides = [transformers.BertConfig(**special, vocab_size=rows, hidden_size=size, **layers)
                 for size in (48, 32)]  # fmt: skip
        config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*sides)
        config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    if kind == "bert-to-bert":
        return loud(transformers.EncoderDecoderModel(config), 9)
    return loud(transformers.AutoModelForSeq2SeqLM.from_config(config), 4 if kind == "t5" else 9)


@pytest.fixture
def answerer(hardware: Hardware, byte_level: Any, echoed: pl.DataFrame) -> Callable[..., Answerer]:
    def make(kind: str, **task: Any) -> Answerer:
        tokenizer = byte_level(*echoed["text"])
        asked = {"max_input": 60, "max_output": 8, "prefix": "turn: "} | task
        model, whole = pair(kind, len(tokenizer)), Seq2SeqTask(**asked)
        return Answerer(model=model, tokenizer=tokenizer, task=whole, hardware=hardware)

    return make


@pytest.mark.parametrize(
    ("kind", "search"),
    [
        ("t5", {}),
        ("bart", {"no_repeat_ngram": 2}),
        ("bert-to-bert", {"beams": 3, "length_penalty": 2.0}),
    ],
)
def test_two_graphs_write_what_the_encoder_decoder_wrote(
    kind: str,
    search: dict[str, Any],
    answerer: Callable[..., Answerer],
    echoed: pl.DataFrame,
    assert_alike: Callable[..., None],
    tmp_path: Path,
) -> None:
    before, after = written(answerer(kind, **search), tmp_path / "out", echoed)

    assert_alike(before, after, atol=1e-4)
    assert not list((tmp_path / "out").glob("*.safetensors"))


def test_onnx_runtime_alone_writes_the_same_as_the_card_shows(
    answerer: Callable[..., Answerer], echoed: pl.DataFrame, tmp_path: Path
) -> None:
    before, _ = written(answerer("t5"), tmp_path / "out", echoed)

    card = (tmp_path / "out" / "README.md").read_text()
    code = card.split("```python\n")[1].split("\n```")[0]
    assert 'tokenizer("turn: some text"' in code.replace("'", '"')
    *lines, last = code.replace("path/to/this/folder", str(tmp_path / "out")).split("\n")
    for text, told in zip(echoed["text"][:3], before, strict=False):
        program = "\n".join([*lines, f"answer = {last}"])
        names: dict[str, Any] = {}
        exec(program.replace("'turn: some text'", repr(f"turn: {text}")), names)  # noqa: S102
        assert names["answer"].strip() == told.answer[0]


def test_adapters_are_added_in_and_the_model_given_keeps_them(
    answerer: Callable[..., Answerer],
    adapted: Callable[[Answerer], Answerer],
    echoed: pl.DataFrame,
    assert_alike: Callable[..., None],
    tmp_path: Path,
) -> None:
    made = adapted(answerer("t5"))

    before, after = written(made, tmp_path / "out", echoed)

    assert_alike(before, after, atol=1e-4, same=False)
    assert hasattr(made.model, "get_base_model")


def test_a_package_that_is_missing_is_named_with_what_brings_it(
    answerer: Callable[..., Answerer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(MissingPackageError, match="onnxruntime") as raised:
        EXPORT.write(answerer("t5"), META, tmp_path)

    assert raised.value.fix == "pip install 'burnish[export]'"
