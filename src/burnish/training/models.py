"""From a folder on this disk to a model and its tokenizer, ready for a task.

Where the folder comes from is settled in `training.sources`; that nothing in it runs code, in
`training.guard`.
"""

from pathlib import Path
from typing import Any

from burnish.errors import ModelTaskError
from burnish.runfolder import MODEL_FACTS
from burnish.tasks.base import Task, Writing
from burnish.tasks.encoded import Encoded
from burnish.training.averaging import MARK, add_averaging_layer, averages
from burnish.training.guard import read_config
from burnish.training.methods import METHODS, lora
from burnish.training.pair import pairs, warm_started
from burnish.training.sources import ModelSource
from burnish.training.tokenizers import loading, open_tokenizer
from burnish.training.weights import BASE_BITS

_SHORTEST = 8  # tokens, of an input or an answer that a recipe may ask for
_AFTER_PAD = ("roberta", "xlm-roberta", "camembert")  # their positions start at pad id + 1
_DROPOUT_KEYS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "dropout",
    "attention_dropout",
    "seq_classif_dropout",
    "dropout_rate",
    "activation_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "attn_pdrop",
    "hidden_dropout",
)
_FAMILIES = {
    "sequence-classification": "AutoModelForSequenceClassification",
    "causal-lm": "AutoModelForCausalLM",
    "seq2seq-lm": "AutoModelForSeq2SeqLM",
    "masked-lm": "AutoModelForMaskedLM",
    "body": "AutoModel",
}
_WITH_WORDS = ("ForMaskedLM", "ForPreTraining")  # architectures saved with a trained layer of words
_INSTEAD = {
    "causal-lm": "a decoder such as HuggingFaceTB/SmolLM2-135M-Instruct",
    "seq2seq-lm": "an encoder-decoder such as google/flan-t5-small",
}
_ENCODER = "an encoder such as sentence-transformers/all-MiniLM-L6-v2"


def load_tokenizer(source: ModelSource, task: Task) -> Any:
    """Return the model's fast tokenizer with the task's clean-up and length limit inside.

    Raises:
        ModelFormatError: BN303, the folder has no tokenizer that can be read.
        ModelTaskError: BN304, the task allows longer texts than the model can take.
    """
    tokenizer = open_tokenizer(source)
    own, limit = tokenizer.model_max_length, longest_text(_config(source))
    tokenizer = task.prepare_tokenizer(tokenizer)
    asked = tokenizer.model_max_length
    if limit is None or asked <= limit:
        return tokenizer
    if asked != own:
        raise ModelTaskError(
            f"texts of up to {asked} tokens are asked for; {source.reference} takes {limit}",
            where="recipe key `task.max_length`",
            fix=f"set `task.max_length: {limit}`",
        )
    tokenizer.model_max_length = limit  # some tokenizers are saved without it
    return tokenizer


def check_room(source: ModelSource, task: Task, encoded: Encoded) -> None:
    """Refuse rows that, with what follows them, are longer than the model can take.

    Raises:
        ModelTaskError: BN304, there is one.
    """
    limit, wanted = longest_text(_config(source)), task.writing
    if limit is None or encoded.answers is None or not len(encoded):
        return
    if wanted is None:
        if (longest := int(encoded.lengths.max())) > limit:
            raise ModelTaskError(
                f"pieces of {longest} tokens are more than {source.reference} takes, "
                f"which is {limit}",
                where="recipe key `task.max_length`",
                fix=f"set `task.max_length: {limit}` or less",
            )
        return
    _check_room_to_write(source, task, wanted, encoded, limit)


def _check_room_to_write(
    source: ModelSource, task: Task, wanted: Writing, encoded: Encoded, limit: int
) -> None:
    """Do what `check_room` does for a task that writes; the fix holds values that will do."""
    inputs, answers = encoded.inputs.lengths, encoded.lengths - encoded.inputs.lengths
    asked, written = int(inputs.max()), int(max(wanted.max_new_tokens, answers.max()))
    if (asked + written if task.joins else max(asked, written)) <= limit:
        return
    # What stands around an input: known where one was cut, and never more than the shortest row.
    around = asked - task.longest if asked > task.longest else int(inputs.min())
    left = (limit - written if task.joins else limit) - around
    longest, keys = int(inputs.argmax()), {"task.max_input_length": str(left)}
    if written > limit or left < _SHORTEST:
        most = max(limit - asked, limit // 2) if task.joins else limit
        longest, keys = int(answers.argmax()), _for_answers(wanted, int(answers.max()), most)
        if asked > (left := limit - most if task.joins else limit):
            keys["task.max_input_length"] = str(max(_SHORTEST, left - around))
    raise ModelTaskError(
        f"an input of {asked} tokens and an answer of {written} are more than "
        f"{source.reference} takes, which is {limit}{' together' if task.joins else ' of each'}",
        where=f"recipe keys {', '.join(f'`{key}`' for key in keys)}; "
        f"the longest row is {encoded.ids[longest]}",
        fix=f"set {', '.join(f'`{key}: {value}`' for key, value in keys.items())}; "
        "or leave such rows out",
    )


def _for_answers(wanted: Writing, longest: int, most: int) -> dict[str, str]:
    """Return the recipe keys, and their values, by which answers have at most so many tokens."""
    keys = {}
    if longest > most:
        # Dropped are rows of training alone; those of other splits are judged as they are.
        keys = {"task.max_output_length": str(most), "task.long_answers": "cut"}
    if wanted.max_new_tokens > most:
        keys["task.generation.max_new_tokens"] = str(most)
    return keys


def longest_text(config: Any) -> int | None:
    """Return how many tokens a model takes, special ones included; None: no fixed limit."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return None
    reserved = config.pad_token_id + 1 if config.model_type in _AFTER_PAD else 0
    return int(positions) - reserved


def load_model(source: ModelSource, task: Task, *, dropout: float | None = None) -> Any:
    """Return the model with the task's head, in eval mode; a head that does not fit is new.

    Args:
        source: an adapter is merged into its base.
        task: tells the family of the model and the size of its head.
        dropout: share of activations dropped in training; None: the model's own.

    Raises:
        ModelFormatError: BN303, the weights do not fit the configuration.
        ModelTaskError: BN304, the architecture has no such head.
    """
    if source.base is None:
        changes = dict(task.head()) | _dropout_changes(source, dropout)
        opened = _open(source, task.family, ignore_mismatched_sizes=True, **changes)
        return _with_padding(opened, source)
    base = load_model(source.base, task, dropout=dropout)
    model = METHODS.get("lora").merge(open_adapter(base, source.folder))
    _name(model, source)  # an adapter trained over this one stands on it, not on its base
    return model


def load_body(source: ModelSource) -> Any:
    """Return the model without a head, in eval mode, for embeddings."""
    return load_body(source.base) if source.base else _open(source, "body")


def can_answer(source: ModelSource, task: Task) -> bool:
    """Return whether the untouched model has an output for these very answers.

    A classifier needs a head of its own whose labels are the task's, in their order; an
    encoder that foretells hidden words needs a trained one.
    """
    if task.family == "masked-lm":
        return any(name.endswith(_WITH_WORDS) for name in _architectures(source.base or source))
    if task.family != "sequence-classification":
        return task.family == "causal-lm" or not pairs(_config(source))
    if source.base:
        return False
    config = read_config(source.folder / "config.json")
    own = config.get("id2label") or {}
    labels = [own[key] for key in sorted(own, key=int)]
    heads = [name for name in _architectures(source) if "Classification" in name]
    return bool(heads) and labels == list(task.head()["id2label"].values())


def _architectures(source: ModelSource) -> list[str]:
    return list(read_config(source.folder / "config.json").get("architectures") or ())


def open_adapter(model: Any, folder: Path) -> Any:
    """Return the PEFT model of `folder` over its base, as it was trained.

    Raises:
        ModelFormatError: BN303, the adapter does not fit the model.
        MissingPackageError: BN401, the base is held in a form that needs a package.
    """
    path = folder / MODEL_FACTS
    facts = read_config(path) if path.is_file() else {}
    if facts.get(MARK) and not averages(model):
        add_averaging_layer(model)
    if facts.get("method") in METHODS.names():
        with loading(folder):
            model = METHODS.get(facts["method"]).base(model, facts.get(BASE_BITS))
    with loading(folder):
        return lora.open_adapter(model, folder)


def _open(source: ModelSource, family: str, **changes: Any) -> Any:
    import transformers

    loader = getattr(transformers, _FAMILIES[family])
    config = _config(source)
    if family == "seq2seq-lm" and pairs(config):
        with loading(source.folder):
            model = warm_started(source.folder, open_tokenizer(source), **changes)
        return model.eval()
    # The first argument of from_pretrained wins over what a checkpoint says of its head.
    if type(config) not in loader._model_mapping:
        raise ModelTaskError(
            f"{config.model_type!r} has no model for {family}",
            where=str(source.folder),
            fix=f"use {_INSTEAD.get(family, _ENCODER)}",
        )
    with loading(source.folder):
        model = loader.from_pretrained(
            source.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
            **changes,
        )
    _name(model, source)
    return model.eval()


def _with_padding(model: Any, source: ModelSource) -> Any:
    """Return the model with the tokenizer's padding token where it names none.

    A decoder that classifies looks for it, to find where a text ends.
    """
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = open_tokenizer(source).pad_token_id
    return model


def _name(model: Any, source: ModelSource) -> None:
    """Note where a model is from, which is saved with an adapter so that its base is found."""
    model.config._name_or_path = model.name_or_path = source.address


def _config(source: ModelSource) -> Any:
    from transformers import AutoConfig

    with loading(source.config_folder):
        return AutoConfig.from_pretrained(
            source.config_folder, local_files_only=True, trust_remote_code=False
        )


def _dropout_changes(source: ModelSource, dropout: float | None) -> dict[str, float]:
    if dropout is None:
        return {}
    config = _config(source)
    return {key: dropout for key in _DROPOUT_KEYS if hasattr(config, key)}
