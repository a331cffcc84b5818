"""The models that a recipe's signals ask: its own tokenizer, encoders, trained models.

Each is opened when the first row asks for it, and once.
"""

from collections.abc import Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from burnish.data.load import with_text
from burnish.data.signals.modelled import Answers
from burnish.errors import RunFolderError
from burnish.files import path_errors
from burnish.pipeline.answer import OpenModel, open_model
from burnish.pipeline.context import fetchers
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, Prediction
from burnish.runfolder import read_predictions
from burnish.tasks.tokens import encode_texts
from burnish.training.hardware import Hardware, probe
from burnish.training.models import load_body, longest_text
from burnish.training.predict import unit_vectors
from burnish.training.sources import ModelSource, resolve
from burnish.training.tokenizers import open_tokenizer

_PREDICTIONS = ".jsonl"
_SUM_ERROR = 1e-3


class RecipeModels:
    """What signals ask of models, by the recipe that declares them."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._model = cache(self._opened)
        self._encoder = cache(self._opened_encoder)
        self._file = cache(_kept)

    def token_counts(self, texts: Sequence[str]) -> list[int]:
        """Return how many tokens the recipe's model reads in each text, its marks not counted."""
        found = self._tokenizer(list(texts), add_special_tokens=False) if texts else {}
        return [len(ids) for ids in found.get("input_ids", ())]

    def vectors(self, model: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an encoder's view of n texts, shape (n, hidden), each of length 1.

        Of a text that is longer than the model can take, the beginning.
        """
        body, tokenizer, longest, hardware = self._encoder(model)
        inputs, _, _ = encode_texts(texts, tokenizer, max_length=longest)
        return unit_vectors(body, inputs, hardware).astype(np.float32)

    def answers(self, system: str, rows: pl.DataFrame) -> Answers:
        """Return what a model, or a file of predictions, says of rows with id and text."""
        if system.endswith(_PREDICTIONS):
            said, exclusive = self._file(system)
            return Answers(found=[said.get(key) for key in rows["id"]], exclusive=exclusive)
        model, asked = self._model(system), with_text(rows)
        made = model.answerer.answer_rows(asked) if asked.height else []
        known = dict(zip(asked["id"], made, strict=True))
        space = model.space
        return Answers(
            found=[known.get(key) for key in rows["id"]],
            exclusive=isinstance(space, LabelSpace) and not space.multi_label,
        )

    @cached_property
    def _tokenizer(self) -> Any:
        return open_tokenizer(self._source(self._recipe.model))

    def _source(self, reference: str) -> ModelSource:
        return resolve(reference, fetchers=fetchers(self._recipe.tracking.uri))

    def _opened(self, reference: str) -> OpenModel:
        return open_model(reference, tracking_uri=self._recipe.tracking.uri)

    def _opened_encoder(self, reference: str) -> tuple[Any, Any, int, Hardware]:
        source = self._source(reference)
        body, tokenizer = load_body(source), open_tokenizer(source)
        limits = (tokenizer.model_max_length, longest_text(body.config))
        longest = min(one for one in limits if one is not None)
        return body, tokenizer, longest, probe(self._recipe.training).for_answers()


def _kept(path: str) -> tuple[dict[str, Prediction], bool]:
    """Return predictions by id, and whether the probabilities of each sum to 1."""
    with path_errors(RunFolderError, where=path, fix="name a file of predictions"):
        file = Path(path).expanduser()
    said = {one.example_id: one for one in read_predictions(file)}
    sums = (sum(one.scores.values()) for one in said.values())
    return said, all(abs(total - 1) < _SUM_ERROR for total in sums)
