"""An ordinary transformers model: adapters are added into the weights they stand beside."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.tasks.base import Encoded
from burnish.training.exports import Export, Logits
from burnish.training.methods import METHODS
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.predict import logits


def without_adapters(model: Any) -> Any:
    """Return an ordinary model with the same answers; the one given stays as it was."""
    if not hasattr(model, "get_base_model"):
        return model
    return METHODS.get("lora").merge(deepcopy(model))


def write(answerer: Answerer, meta: dict[str, Any], folder: Path) -> None:
    """Write a model folder that `transformers.pipeline` opens."""
    model = without_adapters(answerer.model)
    save_model_folder(folder, model, answerer.tokenizer, answerer.task, meta=meta)


def open_written(folder: Path) -> Logits:
    """Return the outputs of the folder's model, by the forward pass of transformers itself."""
    answerer = Answerer.open(folder)

    def outputs(rows: Encoded) -> NDArray[np.float32]:
        return logits(answerer.model, rows, answerer.task, answerer.hardware, packed=False)

    return outputs


EXPORT = Export(write, open_written)
