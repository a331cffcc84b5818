"""From the name of a saved model to an engine: look it up, tell its version, load it."""

from dataclasses import replace
from typing import Literal

import torch

from burnish.recipe.training import Training
from burnish.serving.models import Candidate
from burnish.serving.torch_engine import TorchEngine
from burnish.training.hardware import probe
from burnish.training.modelfolder import Answerer
from burnish.training.sources import Fetchers, ModelSource, resolve
from burnish.training.version import model_version

Precision = Literal["auto", "fp32", "bf16"]


def find(name: str, reference: str, *, fetchers: Fetchers, precision: Precision) -> Candidate:
    """Return what a reference stands for now; loading it is left to who needs it.

    Args:
        name: under which it is served.
        reference: model folder, run folder, or a URI that a fetcher brings here.
        fetchers: by URI scheme.
        precision: auto: as the model was judged; bf16 is faster on some machines and rounds.

    Raises:
        ModelNotFoundError: BN301, nothing is there.
        UnsafeModelError: BN302, the folder holds code.
    """
    source = resolve(reference, fetchers=fetchers)
    version = model_version(source)

    def load() -> TorchEngine:
        answerer = _opened(source, precision)
        return TorchEngine(answerer, name=name, reference=reference, version=version)

    return Candidate(version, load)


def _opened(source: ModelSource, precision: Precision) -> Answerer:
    answerer = Answerer.open(source)
    if precision != "auto":
        answerer = replace(answerer, hardware=probe(Training(precision=precision)))
    # They are the process's: set for good, so that no model puts them back while another computes.
    torch.set_num_threads(answerer.hardware.threads)
    torch.set_float32_matmul_precision(answerer.hardware.matmul)
    return answerer
