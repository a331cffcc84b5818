"""From the weights of a model to an engine: as they were judged, rounded, or by vLLM."""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from burnish.errors import ModelTaskError, UsageError
from burnish.recipe.training import Training
from burnish.serving.engine import Engine, Precision
from burnish.serving.onnx_engine import OnnxEngine
from burnish.serving.reading import Named
from burnish.serving.torch_engine import TorchEngine
from burnish.serving.vllm_engine import VllmEngine, check_engine
from burnish.training.exports.merged import EXPORT as MERGED
from burnish.training.exports.merged import without_adapters
from burnish.training.exports.onnx_int8 import EXPORT as INT8
from burnish.training.facts import read_task
from burnish.training.generate import alters, end_tokens
from burnish.training.hardware import probe
from burnish.training.modelfolder import Answerer
from burnish.training.models import longest_text
from burnish.training.rounded import hold_bf16, hold_int8
from burnish.training.sources import ModelSource
from burnish.training.tokenizers import open_tokenizer


def open_model(source: ModelSource, named: Named, precision: Precision) -> Engine:
    """Open a model as it was judged, or in the precision that is asked for."""
    if precision == "int8":
        return _rounded(source, named)
    answerer = _opened(source)
    if precision != "auto":
        answerer = replace(answerer, hardware=probe(Training(precision=precision)))
    if answerer.hardware.precision == "bf16":
        hold_bf16(answerer.model)
    return _engine(answerer, named)


def _opened(source: ModelSource) -> Answerer:
    answerer = Answerer.open(source)
    hold_apart(answerer.model)
    return answerer


def hold_apart(model: nn.Module) -> None:
    """Hold the parameters and buffers of a model in memory of the process's own, tied ones tied.

    As they are loaded they lie in the mapped file: one that is written over would answer with
    other weights under the old version, one that is cut short would end the process. One tensor
    is copied at a time; the pages of the file are the system's to take back.
    """
    held: dict[tuple[object, ...], Tensor] = {}
    for one in chain(model.parameters(), model.buffers()):
        place = (one.data_ptr(), one.dtype, one.shape, one.stride())
        if place not in held:
            held[place] = one.data.clone()
        one.data = held[place]


def _engine(answerer: Answerer, named: Named, *, int8: bool = False) -> TorchEngine:
    # They are the process's: set for good, so that no model puts them back while another computes.
    torch.set_num_threads(answerer.hardware.threads)
    torch.set_float32_matmul_precision(answerer.hardware.matmul)
    return TorchEngine(answerer, named, int8=int8)


def _rounded(source: ModelSource, named: Named) -> Engine:
    """Open a model in int8: a classifier as a graph, all others with layers of integers."""
    answerer = _opened(source)
    if answerer.task.family == "sequence-classification":
        # Written to a folder that is gone when it is loaded.
        with TemporaryDirectory(prefix="burnish-int8-") as place:
            INT8.write(answerer, {}, Path(place))
            return OnnxEngine.open(Path(place), named)
    model = without_adapters(answerer.model)
    hold_int8(model)
    on_processor = replace(answerer.hardware, device="cpu", precision="fp32")
    return _engine(replace(answerer, model=model, hardware=on_processor), named, int8=True)


def open_by_vllm(source: ModelSource, named: Named, precision: Precision) -> Engine:
    """Open a decoder in vLLM, its adapters added into a copy that is gone when it is loaded."""
    from transformers import AutoConfig, GenerationConfig

    if source.is_graph or precision == "int8":
        raise UsageError(
            "vLLM serves models in fp32 or bf16, and no graphs",
            where="options --engine and --precision",
            fix="leave one of them out",
        )
    task = check_engine(read_task(source.folder))
    tokenizer = open_tokenizer(source)
    with TemporaryDirectory(prefix="burnish-merged-") as place:
        folder = source.folder
        if source.base:
            folder = Path(place) / "model"
            MERGED.write(Answerer.open(source), {}, folder)
        own = GenerationConfig.from_pretrained(folder, local_files_only=True)
        if alters(own):
            raise ModelTaskError(
                "its generation_config.json has other tokens written than the likeliest",
                where=str(folder),
                fix="leave the option `--engine vllm` out",
            )
        return VllmEngine(
            folder,
            task,
            tokenizer,
            named,
            precision=probe(Training()).precision if precision == "auto" else precision,
            longest=longest_text(AutoConfig.from_pretrained(folder, local_files_only=True)),
            ends=end_tokens(own, tokenizer),
        )
