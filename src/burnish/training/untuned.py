"""The task of a model that was not tuned here, from what its own files say of it.

So that a model as it is published can be asked, scored and served beside those made of it.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from burnish.errors import ModelFormatError
from burnish.recipe import task as sections
from burnish.recipe.classification import ClassificationTask
from burnish.records import LabelSpace, PlainSpace, TextSpace
from burnish.tasks.base import TASKS, Task
from burnish.tasks.masked_lm import MaskedTask
from burnish.training.guard import read_config
from burnish.training.sources import ModelSource
from burnish.training.tokenizers import open_tokenizer

_LONGEST = 512  # tokens read of a text, where the model takes more or names no limit
_WRITTEN = 256  # tokens written at most
_BOTH = 2  # classes, of which the last is the one of interest
_TWO = {"0": "LABEL_0", "1": "LABEL_1"}  # as transformers names them, and does not write down

Config = Mapping[str, Any]


def task_of(folder: Path) -> Task:
    """Return the task of a model folder without burnish.json: its thresholds are 0.5.

    Raises:
        ModelFormatError: BN303, its architecture is for none of the tasks.
    """
    config = read_config(folder / "config.json")
    architectures = config.get("architectures") or ["none that is named"]
    making = [make for end, make in _MAKING.items() if architectures[0].endswith(end)]
    if not making:
        raise ModelFormatError(
            "it was not made by `burnish run`, and its architecture is for no task: "
            + ", ".join(architectures),
            where=str(folder / "config.json"),
            fix="tune it with `burnish run`; classifiers and language models are asked as they are",
        )
    source = ModelSource(reference=str(folder), folder=folder, revision=None, origin="folder")
    tokenizer = open_tokenizer(source)
    limits = (_LONGEST, config.get("max_position_embeddings"), tokenizer.model_max_length)
    return making[0](config, tokenizer, int(min(one for one in limits if one)))


def _classifier(config: Config, tokenizer: Any, room: int) -> Task:  # noqa: ARG001
    places = sorted(config.get("id2label", _TWO).items(), key=lambda one: int(one[0]))
    names = tuple(str(name) for _, name in places)
    multi_label = config.get("problem_type") == "multi_label_classification"
    if len(names) < _BOTH and not multi_label:
        raise ModelFormatError(
            "it answers with a number, and no task does",
            where="config.json, id2label",
            fix="name a classifier with two labels or more",
        )
    space = LabelSpace(
        names=names,
        multi_label=multi_label,
        positive=names[-1] if len(names) == _BOTH and not multi_label else None,
    )
    section = ClassificationTask(max_length=room, threshold=0.5)
    return TASKS.get(section.kind).from_recipe(section, space)


def _speaker(config: Config, tokenizer: Any, room: int) -> Task:  # noqa: ARG001
    plain = None if tokenizer.chat_template else "{input}"
    section = sections.CausalTask(
        kind="causal-lm", prompt=plain, max_input_length=room, max_output_length=_WRITTEN
    )
    return TASKS.get(section.kind).from_recipe(section, TextSpace())


def _writer(config: Config, tokenizer: Any, room: int) -> Task:  # noqa: ARG001
    section = sections.Seq2SeqTask(
        kind="seq2seq", max_input_length=room, max_output_length=_WRITTEN
    )
    return TASKS.get(section.kind).from_recipe(section, TextSpace())


def _filler(config: Config, tokenizer: Any, room: int) -> Task:  # noqa: ARG001
    section = sections.MaskedTask(kind=sections.MASKED, max_length=room)
    task = MaskedTask.from_recipe(section, PlainSpace())
    return replace(task, mask_id=tokenizer.mask_token_id, vocabulary=len(tokenizer))


_MAKING = {
    "ForSequenceClassification": _classifier,
    "ForCausalLM": _speaker,
    "GPT2LMHeadModel": _speaker,
    "ForConditionalGeneration": _writer,
    "ForSeq2SeqLM": _writer,
    "EncoderDecoderModel": _writer,
    "ForMaskedLM": _filler,
}
