"""A decoder of llama's family for llama.cpp: one file that holds weights, vocabulary and template.

Matrices are kept as f16, or in q8_0 as 8-bit integers with one f16 scale for every 32 of them;
all else stays fp32. The check reads the file back with transformers, from nothing but the file,
and computes in fp32: it tells what the weights and the vocabulary in the file are worth.
llama.cpp rounds while it computes, too. The only module that imports the package gguf.

Source: `convert_hf_to_gguf.py` of llama.cpp, for names and the order of rows.
"""

import io
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from burnish.errors import MissingPackageError, ModelTaskError
from burnish.evaluation.parity import Bounds
from burnish.files import atomic_writer
from burnish.recipe.training import Training
from burnish.records import Prediction
from burnish.tasks.encoded import Encoded
from burnish.training.exports import Answers, Export
from burnish.training.exports.gguf_vocabulary import Vocabulary, read_vocabulary
from burnish.training.exports.merged import without_adapters
from burnish.training.facts import read_task
from burnish.training.hardware import probe
from burnish.training.modelfolder import Answerer, save_facts
from burnish.training.predict import predictions
from burnish.training.quiet import quiet

MODEL_FILE = "model.gguf"
# transformers' name of an architecture → llama.cpp's.
_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2"}
_ROPES = ("default", "linear", "llama3")  # the same at every length of a text
_F16_MAX = 65_504.0
_BLOCK = 32  # weights that share a scale in q8_0


def write(answerer: Answerer, meta: dict[str, Any], folder: Path, *, kind: str) -> None:
    """Write the file, and what a reader needs beside it.

    Args:
        answerer: a causal model; adapters are added in, and it stays as it was.
        meta: what the file and the model card tell.
        folder: empty.
        kind: of the matrices, F16 or Q8_0.

    Raises:
        MissingPackageError: BN401, without the packages of the extra `export`.
        ModelTaskError: BN304, not a decoder that llama.cpp knows and that is read back alike.
        StorageError: BN402, no space or no permission.
    """
    gguf = _gguf()
    if answerer.task.family != "causal-lm":
        raise _refused(f"a GGUF file holds a model of kind causal-lm, not {answerer.task.family}")
    model = without_adapters(answerer.model)
    _check_known(model.config)
    writer = gguf.GGUFWriter(None, _ARCHITECTURES[model.config.model_type])
    _add_facts(writer, model, meta, gguf.LlamaFileType[f"MOSTLY_{kind}"])
    embedding = model.get_input_embeddings().weight
    _add_vocabulary(writer, read_vocabulary(answerer.tokenizer, len(embedding)))
    for name, values in _tensors(model, writer.arch):
        _add_tensor(writer, name, values, kind)
    with atomic_writer(folder / MODEL_FILE) as file:
        # The writer opens a file of its own unless it has one; this one appears only when whole.
        writer.fout, writer.state = [file], gguf.gguf_writer.WriterState.EMPTY
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    save_facts(folder, model, answerer.tokenizer, answerer.task, meta=meta, form="gguf")


def open_written(folder: Path) -> Answers:
    """Return the answers that the weights and the vocabulary of the file give, in fp32."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _gguf()
    place = {"gguf_file": MODEL_FILE, "local_files_only": True, "trust_remote_code": False}
    # In a folder of its own, or what lies beside the file would be read in its place.
    with tempfile.TemporaryDirectory() as alone:
        file = Path(alone) / MODEL_FILE
        file.symlink_to((folder / MODEL_FILE).absolute())
        with quiet(), redirect_stderr(io.StringIO()):  # its bars ask nobody
            tokenizer = AutoTokenizer.from_pretrained(alone, **place)
            model = AutoModelForCausalLM.from_pretrained(alone, dtype="float32", **place).eval()
        _turn_as_told(model, file)
    task, hardware = read_task(folder), probe(Training()).for_answers()

    def answers(rows: Encoded) -> list[Prediction]:
        return predictions(model, rows, task, hardware, tokenizer)

    return answers


def _check_known(config: Any) -> None:
    """Refuse what llama.cpp does not know, or what would not be read back as it was."""
    if config.model_type not in _ARCHITECTURES:
        raise _refused(f"{config.model_type!r} is not written as GGUF")
    rope = config.rope_parameters["rope_type"]
    known = _ROPES if _ARCHITECTURES[config.model_type] == "llama" else _ROPES[:1]
    faults = {
        f"positions of kind {rope!r}": rope not in known,
        "biases": getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False),
        f"the activation {config.hidden_act!r}": config.hidden_act != "silu",
        "heads of a size of their own": config.model_type == "qwen2"
        and _head_size(config) * config.num_attention_heads != config.hidden_size,
    }
    for what, found in faults.items():
        if found:
            raise _refused(f"a {config.model_type} model with {what} is not written as GGUF")


def _add_facts(writer: Any, model: Any, meta: dict[str, Any], file_type: int) -> None:
    config = model.config
    writer.add_type("model")
    writer.add_name(str(meta.get("name") or "model"))
    if meta.get("base_model"):
        writer.add_base_model_count(1)
        writer.add_base_model_name(0, str(meta["base_model"]))
    writer.add_file_type(file_type)
    writer.add_quantization_version(_gguf().GGML_QUANT_VERSION)
    writer.add_vocab_size(len(model.get_input_embeddings().weight))
    writer.add_context_length(_context(config))
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(_head_size(config))
    writer.add_value_length(_head_size(config))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(_head_size(config))
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _add_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.kinds)
    writer.add_token_merges(vocabulary.merges)
    for name, token in vocabulary.special.items():
        getattr(writer, f"add_{name}_token_id")(token)
    writer.add_add_bos_token(vocabulary.add_bos)
    writer.add_add_eos_token(vocabulary.add_eos)
    writer.add_add_space_prefix(False)
    if vocabulary.chat_template:
        writer.add_chat_template(vocabulary.chat_template)


def _tensors(model: Any, architecture: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield every tensor by llama.cpp's name, in fp32; a tied output layer is not kept twice."""
    config, gguf = model.config, _gguf()
    names = gguf.get_tensor_name_map(
        {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2}[architecture],
        config.num_hidden_layers,
    )
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    for own, weight in model.state_dict().items():
        if tied and own == "lm_head.weight":
            continue
        name = names.get_name(own, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise _refused(f"llama.cpp knows no tensor like {own}")
        values = weight.detach().to("cpu", torch.float32).numpy()
        part = name.split(".")[-2]
        if architecture == "llama" and part in heads:
            values = _side_by_side(values, heads[part])
        yield name, values
    slower = _slower(model)
    if (slower != 1).any():
        yield "rope_freqs.weight", slower


def _side_by_side(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Return the rows with the two of each turned pair beside each other, as llama.cpp turns them.

    transformers keeps the first of all pairs of a head before the second ones.
    """
    rows, columns = weight.shape
    apart = weight.reshape(heads, 2, rows // heads // 2, columns)
    return np.ascontiguousarray(apart.swapaxes(1, 2)).reshape(rows, columns)


def _slower(model: Any) -> NDArray[np.float32]:
    """Return how much slower than by the base each pair turns, shape (head size / 2,)."""
    size = _head_size(model.config)
    base = model.config.rope_parameters["rope_theta"]
    plain = base ** -(np.arange(0, size, 2, dtype=np.float32) / np.float32(size))
    own = model.model.rotary_emb.inv_freq.cpu().float().numpy()
    return np.where(np.isclose(plain, own, rtol=1e-5), 1, plain / own).astype(np.float32)


def _turn_as_told(model: Any, file: Path) -> None:
    """Turn pairs as slowly as the file tells, which transformers does not read."""
    for tensor in _gguf().GGUFReader(file).tensors:
        if tensor.name == "rope_freqs.weight":
            rotary = model.model.rotary_emb
            rotary.inv_freq = rotary.inv_freq / torch.from_numpy(tensor.data.copy())


def _add_tensor(writer: Any, name: str, values: NDArray[np.float32], kind: str) -> None:
    if values.ndim == 1:
        writer.add_tensor(name, np.ascontiguousarray(values))
        return
    if kind == "Q8_0" and values.shape[-1] % _BLOCK == 0:
        quantised = _gguf().GGMLQuantizationType.Q8_0
        writer.add_tensor(name, _gguf().quantize(values, quantised), raw_dtype=quantised)
        return
    if np.abs(values).max() > _F16_MAX:
        raise _refused(f"{name} holds numbers over {_F16_MAX:g}, the largest that f16 can tell")
    writer.add_tensor(name, values.astype(np.float16))


def _head_size(config: Any) -> int:
    return int(
        getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    )


def _context(config: Any) -> int:
    """Return the longest text in tokens; llama.cpp attends to all of it, so no window is passed."""
    longest = int(config.max_position_embeddings)
    return min(longest, getattr(config, "sliding_window", None) or longest)


def _gguf() -> Any:
    try:
        import gguf
    except ImportError as err:
        raise MissingPackageError(
            "writing GGUF needs the package gguf",
            where="burnish export --format gguf",
            fix="pip install 'burnish[export]'",
        ) from err
    return gguf


def _refused(what: str) -> ModelTaskError:
    return ModelTaskError(what, where="option --format", fix="use `--format merged`")


# Measured on SmolLM2-135M with 24 tokens an answer: in f16 3 % of the answers are others and the
# reference differs by 0.003 nats a token, in q8_0 31 % and 0.05. A file with a fault in it writes
# hardly an answer alike and is off by whole nats.
F16 = Export(partial(write, kind="F16"), open_written, Bounds(difference=0.03, equal=0.9))
Q8_0 = Export(partial(write, kind="Q8_0"), open_written, Bounds(difference=0.2, equal=0.4))
