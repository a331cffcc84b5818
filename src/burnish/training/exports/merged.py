"""An ordinary transformers model: adapters are added into the weights they stand beside."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from burnish.records import Prediction
from burnish.tasks.encoded import Encoded
from burnish.training.exports import Answers, Export
from burnish.training.methods import METHODS
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.predict import predictions, raw_outputs


def without_adapters(model: Any) -> Any:
    """Return an ordinary model with the same answers; the one given stays as it was."""
    if not hasattr(model, "get_base_model"):
        return model
    return METHODS.get("lora").merge(deepcopy(model))


def write(answerer: Answerer, meta: dict[str, Any], folder: Path) -> None:
    """Write a model folder that `transformers.pipeline` opens."""
    model = without_adapters(answerer.model)
    save_model_folder(folder, model, answerer.tokenizer, answerer.task, meta=meta)


def open_written(folder: Path) -> Answers:
    """Return the answers of the folder's model, by the forward pass of transformers itself."""
    made = Answerer.open(folder)

    def answers(rows: Encoded) -> list[Prediction]:
        outputs = raw_outputs(made.model, rows, made.task, made.hardware, packed=False)
        return predictions(
            made.model, rows, made.task, made.hardware, made.tokenizer, outputs=outputs
        )

    return answers


EXPORT = Export(write, open_written)
