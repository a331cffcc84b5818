"""A model as others open it: save_pretrained form, tokenizer, burnish.json and a model card.

`transformers.pipeline` opens the folder of a full model, PEFT that of an adapter; burnish.json
adds what neither knows: the thresholds, and what the model was made from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from safetensors import SafetensorError

from burnish.files import storage_errors, whole_folder, write_json, write_text
from burnish.recipe.training import Training
from burnish.records import Prediction
from burnish.runfolder import MODEL_FACTS
from burnish.tasks.base import Task
from burnish.tasks.masked_lm import MaskedTask
from burnish.training.averaging import MARK, averages
from burnish.training.card import model_card
from burnish.training.facts import read_task, task_facts
from burnish.training.fill import fill
from burnish.training.generate import settings_to_save
from burnish.training.hardware import Hardware, probe
from burnish.training.methods.lora import save_adapter
from burnish.training.models import load_model, open_adapter
from burnish.training.packing import plain
from burnish.training.predict import predictions
from burnish.training.quiet import quiet
from burnish.training.sources import ModelSource, resolve
from burnish.training.tokenizers import open_tokenizer
from burnish.training.weights import BASE_BITS, base_bits


def save_model_folder(
    path: Path, model: Any, tokenizer: Any, task: Task, *, meta: Mapping[str, Any]
) -> None:
    """Write the model folder, whole or not at all; an older one there is replaced.

    Args:
        path: the folder.
        model: a transformers model, or a PEFT one, of which the adapter is saved.
        tokenizer: with the task's clean-up and length limit inside.
        task: with its thresholds.
        meta: name, base_model, method, and what else the card tells.

    Raises:
        StorageError: BN402, no space or no permission.
    """
    with whole_folder(path) as folder:
        with storage_errors(path, SafetensorError), quiet():
            form = _save_weights(model, folder)
        save_facts(folder, model, tokenizer, task, meta=meta, form=form)


def save_facts(
    folder: Path,
    model: Any,
    tokenizer: Any,
    task: Task,
    *,
    meta: Mapping[str, Any],
    form: str,
) -> None:
    """Write what stands beside the weights: tokenizer, search, burnish.json, model card."""
    base = plain(model)
    with storage_errors(folder), quiet():
        tokenizer.save_pretrained(folder)
        if base.can_generate():
            settings_to_save(base, task.writing, tokenizer).save_pretrained(folder)
    facts = task_facts(task, meta) | {MARK: averages(model), BASE_BITS: base_bits(model)}
    write_json(folder / MODEL_FACTS, facts)
    write_text(folder / "README.md", model_card(task, meta, form=form))


def _save_weights(model: Any, folder: Path) -> str:
    if hasattr(model, "get_base_model"):
        save_adapter(model, folder)
        return "peft"
    model.save_pretrained(folder)
    return "transformers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answerer:
    """A model folder that answers new texts, as it did in the evaluation."""

    model: Any
    tokenizer: Any
    task: Task
    hardware: Hardware

    @classmethod
    def open(
        cls, where: Path | str | ModelSource, *, hardware: Hardware | None = None
    ) -> "Answerer":
        """Open a model folder, a run folder, or what was resolved.

        Raises:
            ModelNotFoundError: BN301, nothing is there.
            ModelFormatError: BN303, it is damaged, or not a folder that Burnish wrote.
        """
        source = where if isinstance(where, ModelSource) else resolve(str(where))
        task = read_task(source.folder)
        if source.base:
            base = load_model(source.base, task)
            model = open_adapter(base, source.folder)
        else:
            model = load_model(source, task)
        return cls(
            model=model,
            tokenizer=open_tokenizer(source),
            task=task,
            hardware=(hardware or probe(Training())).for_answers(),
        )

    def answer(self, texts: Sequence[str]) -> list[Prediction]:
        """Return one answer a text, in order; ids are the positions from 0."""
        if not texts:
            return []
        ids = [str(at) for at in range(len(texts))]
        return self.answer_rows(pl.DataFrame({"id": ids, "text": list(texts)}))

    def answer_rows(self, rows: pl.DataFrame) -> list[Prediction]:
        """Return one answer a row of a frame with columns id, text and perhaps labels.

        Where the task is to foretell hidden words, a text with masks is answered by the words
        that fill them.
        """
        encoded = self.task.encode(rows, self.tokenizer)
        found = predictions(self.model, encoded, self.task, self.hardware, self.tokenizer)
        if not isinstance(self.task, MaskedTask):
            return found
        texts = rows["text"].fill_null("").to_list()
        filled = fill(self.model, self.tokenizer, self.task, self.hardware, texts)
        return [
            replace(one, fills=masks, answer=tuple(mask[0].token_str for mask in masks))
            for one, masks in zip(found, filled, strict=True)
        ]
