"""A GGUF file writes what the model it came from writes; what it could not write is refused."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType, GGUFReader

from burnish.errors import MissingPackageError, ModelTaskError, StorageError
from burnish.files import read_json
from burnish.records import Prediction
from burnish.tasks.causal_lm import CausalTask
from burnish.training.exports import EXPORTS
from burnish.training.hardware import Hardware
from burnish.training.modelfolder import Answerer

FORMS = ("gguf", "gguf-q8_0")
META = {"name": "echo", "base_model": "owner/tiny", "method": "lora", "scores": []}
CHAT = (
    "{% for one in messages %}<s>{{ one['role'] }}: {{ one['content'] }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>{% endif %}"
)
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128}
SLOW = {
    "rope_type": "llama3", "rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
}  # fmt: skip
DECODERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (transformers.LlamaConfig, {}),
    "llama, tied": (transformers.LlamaConfig, {"tie_word_embeddings": True}),
    "llama, wide heads": (transformers.LlamaConfig, {"head_dim": 32}),
    "llama, slow turns": (transformers.LlamaConfig, {"rope_parameters": SLOW}),
    "mistral": (transformers.MistralConfig, {"sliding_window": 96}),
    "qwen2": (transformers.Qwen2Config, {}),
}
WHOLE = CausalTask(max_input=64, max_output=8, prompt="{input}")


def decoder(kind: str, rows: int, **changes: Any) -> Any:
    """Return a random decoder whose weights f16 tells exactly."""
    torch.manual_seed(0)
    config, own = DECODERS[kind]
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    made = config(vocab_size=rows, **(SIZES | HEADS | special | own | changes))
    return loud(transformers.AutoModelForCausalLM.from_config(made))


def loud(model: Any) -> Any:
    """Return the model with weights so large that every text gets an answer of its own."""
    for weight in model.parameters():
        weight.data = (weight.data * (4 if weight.ndim > 1 else 1)).half().float()
    return model.eval()


@pytest.fixture
def answerer(hardware: Hardware, byte_level: Any, echoed: pl.DataFrame) -> Callable[..., Answerer]:
    def make(kind: str = "llama", *, task: Any = WHOLE, spare: int = 0, **changes: Any) -> Answerer:
        tokenizer = byte_level(*echoed["text"])
        tokenizer.chat_template = CHAT
        model = decoder(kind, len(tokenizer) + spare, **changes)
        return Answerer(model=model, tokenizer=tokenizer, task=task, hardware=hardware)

    return make


def written(
    answerer: Answerer, form: str, folder: Path, rows: pl.DataFrame
) -> tuple[list[Prediction], list[Prediction]]:
    """Return the answers before and after an export."""
    encoded = answerer.task.encode(rows, answerer.tokenizer)
    folder.mkdir()
    export = EXPORTS.get(form)
    export.write(answerer, META, folder)
    return answerer.answer_rows(rows), export.open(folder)(encoded)


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_a_gguf_file_alone_writes_what_the_model_wrote(
    kind: str,
    answerer: Callable[..., Answerer],
    echoed: pl.DataFrame,
    assert_alike: Callable[..., None],
    tmp_path: Path,
) -> None:
    before, after = written(answerer(kind), "gguf", tmp_path / "out", echoed)

    assert_alike(before, after, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama, slow turns", "mistral", "qwen2"])
@pytest.mark.parametrize("form", FORMS)
def test_llama_cpp_reads_the_same_tokens_and_writes_the_same_words(
    form: str, kind: str, answerer: Callable[..., Answerer], echoed: pl.DataFrame, tmp_path: Path
) -> None:
    llama_cpp = pytest.importorskip("llama_cpp", reason="comes with the extra starter-lm")
    made = answerer(kind)
    _, after = written(made, form, tmp_path / "out", echoed)

    model = llama_cpp.Llama(
        str(tmp_path / "out" / "model.gguf"), n_ctx=128, n_threads=1, verbose=False
    )
    tokens = [model.tokenize(text.encode(), add_bos=True, special=True) for text in echoed["text"]]
    told = [made.tokenizer.decode(greedy(model, one), skip_special_tokens=True) for one in tokens]

    assert tokens == made.tokenizer(echoed["text"].to_list())["input_ids"]
    same = sum(mine.strip() == one.answer[0] for mine, one in zip(told, after, strict=True))
    assert same >= (9 if form == "gguf" else 6)  # llama.cpp rounds what it computes with, too


def greedy(model: Any, prompt: list[int]) -> list[int]:
    """Return the likeliest tokens, at most eight, by llama.cpp."""
    found: list[int] = []
    for token in model.generate(prompt, temp=0, repeat_penalty=1):
        if token == model.token_eos() or len(found) == 8:
            break
        found.append(token)
    return found


def test_every_fact_and_tensor_is_in_the_file(
    answerer: Callable[..., Answerer], tmp_path: Path
) -> None:
    EXPORTS.get("gguf").write(answerer(spare=4), META, tmp_path)

    reader = GGUFReader(tmp_path / "model.gguf")
    facts = {name: field.contents() for name, field in reader.fields.items()}
    kinds = facts.pop("tokenizer.ggml.token_type")
    tokens = facts.pop("tokenizer.ggml.tokens")
    merges = facts.pop("tokenizer.ggml.merges")

    assert {name: one for name, one in facts.items() if not name.startswith("GGUF.")} == {
        "general.architecture": "llama", "general.type": "model", "general.name": "echo",
        "general.base_model.count": 1, "general.base_model.0.name": "owner/tiny",
        "general.file_type": 1, "general.quantization_version": 2,
        "llama.vocab_size": 304, "llama.context_length": 128, "llama.block_count": 2,
        "llama.embedding_length": 64, "llama.feed_forward_length": 96,
        "llama.attention.head_count": 4, "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 16, "llama.attention.value_length": 16,
        "llama.attention.layer_norm_rms_epsilon": pytest.approx(1e-6),
        "llama.rope.dimension_count": 16, "llama.rope.freq_base": 10_000.0,
        "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0, "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": False, "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": CHAT,
    }  # fmt: skip
    assert (tokens[:3], kinds[:4]) == (["<pad>", "<s>", "</s>"], [3, 3, 3, 1])
    assert (tokens[-1], kinds[-4:]) == ("[PAD303]", [5, 5, 5, 5])
    assert len(merges) == 300 - 256 - 3
    layer = {
        "attn_q": (64, 64), "attn_k": (64, 32), "attn_v": (64, 32), "attn_output": (64, 64),
        "ffn_gate": (64, 96), "ffn_up": (64, 96), "ffn_down": (96, 64),
        "attn_norm": (64,), "ffn_norm": (64,),
    }  # fmt: skip
    shapes = {f"blk.{at}.{name}.weight": size for at in (0, 1) for name, size in layer.items()}
    shapes |= {"token_embd.weight": (64, 304), "output.weight": (64, 304)}
    shapes |= {"output_norm.weight": (64,)}
    assert {one.name: tuple(one.shape.tolist()) for one in reader.tensors} == shapes
    assert {(len(one.shape), one.tensor_type) for one in reader.tensors} == {
        (1, GGMLQuantizationType.F32), (2, GGMLQuantizationType.F16),
    }  # fmt: skip


def test_eight_bits_are_half_the_file_and_nearly_the_same_likelihood(
    answerer: Callable[..., Answerer],
    echoed: pl.DataFrame,
    assert_alike: Callable[..., None],
    tmp_path: Path,
) -> None:
    made = answerer("llama", intermediate_size=80)
    EXPORTS.get("gguf").write(made, META, tmp_path)
    before, after = written(made, "gguf-q8_0", tmp_path / "q8", echoed)

    kinds = {one.name: one.tensor_type for one in GGUFReader(tmp_path / "q8/model.gguf").tensors}
    assert kinds["token_embd.weight"] == kinds["blk.1.attn_q.weight"] == GGMLQuantizationType.Q8_0
    assert kinds["blk.0.ffn_down.weight"] == GGMLQuantizationType.F16  # 80 is no multiple of 32
    assert kinds["output_norm.weight"] == GGMLQuantizationType.F32
    assert_alike(before, after, atol=0.2, same=False)


def test_adapters_are_added_in_and_the_model_given_keeps_them(
    answerer: Callable[..., Answerer],
    adapted: Callable[[Answerer], Answerer],
    echoed: pl.DataFrame,
    assert_alike: Callable[..., None],
    tmp_path: Path,
) -> None:
    made = adapted(answerer())

    before, after = written(made, "gguf", tmp_path / "out", echoed)

    assert_alike(before, after, atol=2e-2, same=False)
    assert hasattr(made.model, "get_base_model")


def test_the_file_is_open_to_others_and_its_card_says_how_to_ask(
    answerer: Callable[..., Answerer], tmp_path: Path
) -> None:
    chat = CausalTask(max_input=64, max_output=8, system="Be brief.")
    EXPORTS.get("gguf").write(answerer(task=chat), META, tmp_path)
    card = (tmp_path / "README.md").read_text()

    assert (tmp_path / "model.gguf").stat().st_mode & 0o777 == 0o644
    assert sorted(one.name for one in tmp_path.glob(".*")) == []
    assert 'Llama("path/to/this/folder/model.gguf"' in card
    assert "create_chat_completion([{'role': 'system', 'content': 'Be brief.'}, {'role'" in card
    assert read_json(tmp_path / "burnish.json")["task"]["kind"] == "causal-lm"


@pytest.mark.parametrize(
    ("kind", "changes", "told"),
    [
        ("llama", {"attention_bias": True}, "with biases"),
        ("llama", {"hidden_act": "gelu"}, "activation 'gelu'"),
        ("qwen2", {"rope_parameters": SLOW}, "positions of kind 'llama3'"),
        ("llama", {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
         "positions of kind 'dynamic'"),
    ],
)  # fmt: skip
def test_a_decoder_that_llama_cpp_would_run_otherwise_is_refused(
    kind: str, changes: dict[str, Any], told: str, answerer: Callable[..., Answerer], tmp_path: Path
) -> None:
    with pytest.raises(ModelTaskError, match=told) as raised:
        EXPORTS.get("gguf").write(answerer(kind, **changes), META, tmp_path)

    assert raised.value.fix == "use `--format merged`"
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_f16_cannot_tell_is_refused(
    answerer: Callable[..., Answerer], tmp_path: Path
) -> None:
    made = answerer()
    made.model.lm_head.weight.data[5, 3] = 70_000.0

    with pytest.raises(ModelTaskError, match=r"output.weight holds numbers over 65504"):
        EXPORTS.get("gguf").write(made, META, tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_a_package_that_is_missing_is_named_with_what_brings_it(
    form: str, answerer: Callable[..., Answerer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)

    with pytest.raises(MissingPackageError, match="gguf") as raised:
        EXPORTS.get(form).write(answerer(), META, tmp_path)

    assert raised.value.fix == "pip install 'burnish[export]'"
    assert raised.value.exit_code == 3


def test_an_architecture_that_is_not_written_is_named(
    answerer: Callable[..., Answerer], tmp_path: Path
) -> None:
    other = answerer()
    other.model.config.model_type = "other"

    with pytest.raises(ModelTaskError, match="'other' is not written as GGUF"):
        EXPORTS.get("gguf").write(other, META, tmp_path)


def test_a_full_disk_leaves_no_half_a_file(
    answerer: Callable[..., Answerer], tmp_path: Path
) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StorageError, match="cannot write"):
            EXPORTS.get("gguf").write(answerer(), META, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(tmp_path.iterdir()) == []
