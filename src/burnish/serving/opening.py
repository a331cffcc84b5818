"""From the name of a saved model to an engine: look it up, tell its version, load it, prove it."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import torch

from burnish.errors import ModelTaskError, UsageError
from burnish.recipe.training import Training
from burnish.serving.engine import Engine
from burnish.serving.models import Candidate
from burnish.serving.onnx_engine import OnnxEngine
from burnish.serving.parity import prove
from burnish.serving.reading import Named
from burnish.serving.torch_engine import TorchEngine
from burnish.training.exports.merged import without_adapters
from burnish.training.exports.onnx import MODEL_FILE, ClassifierGraph
from burnish.training.exports.onnx_int8 import EXPORT as INT8
from burnish.training.hardware import probe
from burnish.training.modelfolder import Answerer, read_task
from burnish.training.models import longest_text, open_tokenizer
from burnish.training.rounded import hold_bf16, hold_int8
from burnish.training.sources import Fetchers, ModelSource, resolve
from burnish.training.version import model_version

Precision = Literal["auto", "fp32", "bf16", "int8"]
Computing = Literal["auto", "vllm"]  # what computes


def find(
    name: str,
    reference: str,
    *,
    fetchers: Fetchers,
    precision: Precision,
    engine: Computing = "auto",
) -> Candidate:
    """Return what a reference stands for now; loading it is left to who needs it.

    Args:
        name: under which it is served.
        reference: model folder, run folder, folder of an ONNX export, or a URI that a fetcher
            brings here.
        fetchers: by URI scheme.
        precision: auto: as the model was judged, or as it was exported; bf16 and int8 are faster
            on some machines and round.
        engine: auto: PyTorch, or ONNX Runtime for graphs and classifiers in int8.

    Raises:
        ModelNotFoundError: BN301, nothing is there.
        UnsafeModelError: BN302, the folder holds code.
    """
    source = resolve(reference, fetchers=fetchers, graphs=True)
    named = Named(name=name, reference=reference, version=model_version(source))

    def load() -> Engine:
        opened = by(source, named, precision)
        try:
            parity = prove(opened, source.folder)
        except BaseException:
            opened.close()
            raise
        opened.facts = replace(opened.facts, parity=parity)
        return opened

    by = _by_vllm if engine == "vllm" else _open
    return Candidate(named.version, load)


def _open(source: ModelSource, named: Named, precision: Precision) -> Engine:
    if source.is_graph:
        return _graph(source, named, precision)
    if precision == "int8":
        return _rounded(source, named)
    return _model(source, named, precision)


def _model(
    source: ModelSource, named: Named, precision: Literal["auto", "fp32", "bf16"]
) -> TorchEngine:
    """Open a model as it was judged, or in the precision that is asked for."""
    answerer = Answerer.open(source)
    if precision != "auto":
        answerer = replace(answerer, hardware=probe(Training(precision=precision)))
    if answerer.hardware.precision == "bf16":
        hold_bf16(answerer.model)
    return _engine(answerer, named)


def _engine(answerer: Answerer, named: Named, *, int8: bool = False) -> TorchEngine:
    # They are the process's: set for good, so that no model puts them back while another computes.
    torch.set_num_threads(answerer.hardware.threads)
    torch.set_float32_matmul_precision(answerer.hardware.matmul)
    return TorchEngine(answerer, named, int8=int8)


def _graph(source: ModelSource, named: Named, precision: Precision) -> OnnxEngine:
    """Open the folder of an ONNX export; its precision is that of the file."""
    engine = _open_graph(source, named)
    if precision not in ("auto", engine.facts.precision):
        raise UsageError(
            f"the graph was exported in {engine.facts.precision}, not in {precision}",
            where="option --precision",
            fix="leave the option out, or export the model in the other form",
        )
    return engine


def _rounded(source: ModelSource, named: Named) -> Engine:
    """Open a model in int8: a classifier as a graph, all others with layers of integers."""
    answerer = Answerer.open(source)
    if answerer.task.family == "sequence-classification":
        # Written to a folder that is gone when it is loaded.
        with TemporaryDirectory(prefix="burnish-int8-") as place:
            INT8.write(answerer, {}, Path(place))
            return _open_graph(replace(source, folder=Path(place), base=None), named)
    model = without_adapters(answerer.model)
    hold_int8(model)
    on_processor = replace(answerer.hardware, device="cpu", precision="fp32")
    return _engine(replace(answerer, model=model, hardware=on_processor), named, int8=True)


def _by_vllm(source: ModelSource, named: Named, precision: Precision) -> Engine:
    """Open a decoder in vLLM, its adapters added into a copy that is gone when it is loaded."""
    from transformers import AutoConfig, GenerationConfig

    from burnish.serving.vllm_engine import VllmEngine, check_engine
    from burnish.training.exports.merged import EXPORT as MERGED
    from burnish.training.generate import alters, end_tokens

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


def _open_graph(source: ModelSource, named: Named) -> OnnxEngine:
    folder = source.folder
    if not (folder / MODEL_FILE).is_file():
        raise ModelTaskError(
            "the graphs of an encoder-decoder are not served",
            where=str(folder),
            fix="name the run folder, or its folder `model`",
        )
    graph = ClassifierGraph.open(folder)
    return OnnxEngine(graph, read_task(folder), open_tokenizer(source), named)
