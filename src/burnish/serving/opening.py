"""From the name of a saved model to an engine: look it up, tell its version, load it, prove it.

A graph is opened without the libraries that compute models: they take longer to load than the
graph, its proof and the server together.
"""

from dataclasses import replace

from burnish.errors import ModelFormatError, UsageError
from burnish.serving.engine import Computing, Engine, Precision
from burnish.serving.models import Candidate
from burnish.serving.onnx_engine import OnnxEngine
from burnish.serving.parity import prove
from burnish.serving.reading import Named
from burnish.training.sources import Fetchers, ModelSource, resolve
from burnish.training.version import last_writes, model_version


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

    Loading raises ModelFormatError (BN303) where the folder is written to meanwhile.
    """
    source = resolve(reference, fetchers=fetchers, graphs=True)
    written = last_writes(source)
    named = Named(name=name, reference=reference, version=model_version(source))

    def load() -> Engine:
        return _proved(_open(source, named, precision, engine), source, written)

    return Candidate(named.version, load)


def _proved(opened: Engine, source: ModelSource, written: list[tuple[int, ...]]) -> Engine:
    """Return an engine that tells how its answers compare with those that were judged.

    Raises:
        ModelFormatError: BN303, the folder was written to since `written`: version and proof
            would be of other weights than those that answer.
    """
    try:
        parity = prove(opened, source.folder)
        if last_writes(source) != written:
            raise _changed(source)
    except BaseException:
        opened.close()
        raise
    opened.facts = replace(opened.facts, parity=parity)
    return opened


def _changed(source: ModelSource) -> ModelFormatError:
    return ModelFormatError(
        "the folder was written to while it was read",
        where=str(source.folder),
        fix="write a new model beside it and rename it into place, then start or swap again",
    )


def _open(source: ModelSource, named: Named, precision: Precision, engine: Computing) -> Engine:
    if source.is_graph and engine != "vllm":
        return _graph(source, named, precision)
    from burnish.serving.weights import open_by_vllm, open_model

    by = open_by_vllm if engine == "vllm" else open_model
    return by(source, named, precision)


def _graph(source: ModelSource, named: Named, precision: Precision) -> OnnxEngine:
    """Open the folder of an ONNX export; its precision is that of the file."""
    engine = OnnxEngine.open(source.folder, named)
    if precision not in ("auto", engine.facts.precision):
        raise UsageError(
            f"the graph was exported in {engine.facts.precision}, not in {precision}",
            where="option --precision",
            fix="leave the option out, or export the model in the other form",
        )
    return engine
