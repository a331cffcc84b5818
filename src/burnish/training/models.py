"""From a model's name to a folder on this disk, and from the folder to a model, safely.

A name may be a folder, a run folder, a hub id (`owner/name`, `owner/name@revision`), or a URI
of a scheme for which the caller brings a fetcher (`models:/…`, `runs:/…`). Nothing that could
run code is opened: see `training.guard`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burnish.errors import ModelFormatError, ModelNotFoundError, ModelTaskError
from burnish.runfolder import MODEL_FACTS, sha256
from burnish.tasks.base import Task
from burnish.training.averaging import MARK, add_averaging_layer, averages
from burnish.training.guard import check_folder, damaged, read_config
from burnish.training.hub import STARTERS, download, hub_reachable, starter_folder
from burnish.training.methods import METHODS, lora
from burnish.training.quiet import quiet

__all__ = [
    "STARTERS",
    "ModelSource",
    "hub_reachable",
    "load_body",
    "load_model",
    "load_tokenizer",
    "longest_text",
    "open_adapter",
    "open_tokenizer",
    "resolve",
]

Fetchers = Mapping[str, Callable[[str], Path]]

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?$")
_AFTER_PAD = ("roberta", "xlm-roberta", "camembert")  # their positions start at pad id + 1
_DROPOUT_KEYS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "dropout",
    "attention_dropout",
    "seq_classif_dropout",
)
_VOCABULARIES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)
_FAMILIES = {"sequence-classification": "AutoModelForSequenceClassification", "body": "AutoModel"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that lies on this disk and has passed the guard."""

    reference: str  # as the recipe names it
    folder: Path
    revision: str | None  # commit or branch of a hub model
    origin: str  # folder, run, hub, starter, or the scheme of a fetcher
    base: "ModelSource | None" = None  # of an adapter: the model it adapts

    @property
    def config_folder(self) -> Path:
        """The folder whose config.json describes the architecture."""
        return self.base.config_folder if self.base else self.folder

    def to_json(self) -> dict[str, Any]:
        """Return the entry of the manifest."""
        return {
            "reference": self.reference,
            "revision": self.revision,
            "origin": self.origin,
            "weights_sha256": {
                path.name: sha256(path) for path in sorted(self.folder.glob("*.safetensors"))
            },
        }


def resolve(reference: str, *, fetchers: Fetchers | None = None) -> ModelSource:
    """Find the model of that name on this disk, fetching it if need be.

    Raises:
        ModelNotFoundError: BN301, there is none, or the hub cannot be reached.
        UnsafeModelError: BN302, the folder holds code or pickled weights only.
        ModelFormatError: BN303, the folder is damaged or not a model.
    """
    source = _locate(reference, fetchers or {})
    check_folder(source.folder)
    adapter = source.folder / "adapter_config.json"
    if not adapter.is_file():
        return source
    base = read_config(adapter).get("base_model_name_or_path")
    if not base:
        raise ModelFormatError(
            "it names no base model",
            where=str(adapter),
            fix="set base_model_name_or_path there to a hub id or a folder",
        )
    return replace(source, base=resolve(str(base), fetchers=fetchers))


def _locate(reference: str, fetchers: Fetchers) -> ModelSource:
    scheme, colon, _ = reference.partition(":/")
    if colon and scheme in fetchers:
        return _in_folder(reference, fetchers[scheme](reference), origin=scheme)
    path = Path(reference).expanduser()
    if path.is_dir():
        return _in_folder(reference, path, origin="folder")
    if _HUB_ID.match(reference) and not path.is_file():
        return _on_hub(reference)
    raise ModelNotFoundError(
        f"no model is at {reference!r}",
        where="recipe key `model`, or the MODEL argument",
        fix="name a folder with config.json and *.safetensors, a run folder, or a hub id",
    )


def _in_folder(reference: str, path: Path, *, origin: str) -> ModelSource:
    """Return the model in a folder, or in the run folder that it is."""
    if (path / "recipe.yaml").is_file():
        if not (path / "model").is_dir():
            raise ModelNotFoundError(
                "the run has no model yet",
                where=str(path),
                fix=f"finish it with `burnish resume {path}`",
            )
        path, origin = path / "model", "run"
    return ModelSource(reference=reference, folder=path.resolve(), revision=None, origin=origin)


def _on_hub(reference: str) -> ModelSource:
    name, _, revision = reference.partition("@")
    starter = None if revision else starter_folder(name)
    if starter:
        return ModelSource(reference=reference, folder=starter, revision=None, origin="starter")
    folder = download(name, revision or None)
    commit = folder.name if folder.parent.name == "snapshots" else revision
    return ModelSource(reference=reference, folder=folder, revision=commit, origin="hub")


def load_tokenizer(source: ModelSource, task: Task) -> Any:
    """Return the model's fast tokenizer with the task's clean-up and length limit inside.

    Raises:
        ModelFormatError: BN303, the folder has no tokenizer that can be read.
        ModelTaskError: BN304, the task allows longer texts than the model can take.
    """
    tokenizer = task.prepare_tokenizer(open_tokenizer(source))
    limit = longest_text(_config(source))
    if limit is not None and tokenizer.model_max_length > limit:
        raise ModelTaskError(
            f"texts of up to {tokenizer.model_max_length} tokens are asked for; "
            f"{source.reference} takes {limit}",
            where="recipe key `task.max_length`",
            fix=f"set `task.max_length: {limit}`",
        )
    return tokenizer


def open_tokenizer(source: ModelSource) -> Any:
    """Return the fast tokenizer of a model as it was saved.

    Raises:
        ModelFormatError: BN303, there is none, or it has no padding token.
    """
    from transformers import AutoTokenizer

    folders = [source.folder, source.config_folder]
    # Without these files transformers makes an empty tokenizer, which knows no word.
    found = [one for one in folders if any((one / name).is_file() for name in _VOCABULARIES)]
    if not found:
        raise ModelFormatError(
            "the folder has no tokenizer",
            where=str(source.folder),
            fix=f"add one of {', '.join(_VOCABULARIES)}",
        )
    folder = found[0]
    with _loading(folder):
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    if not getattr(tokenizer, "is_fast", False) or tokenizer.pad_token_id is None:
        raise ModelFormatError(
            "the tokenizer is not a fast one with a padding token",
            where=str(folder),
            fix="use a model with a tokenizer.json that has a pad token",
        )
    return tokenizer


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
    base = source.base or source
    changes = dict(task.head()) | _dropout_changes(base, dropout)
    model = _open(base, task.family, ignore_mismatched_sizes=True, **changes)
    if source.base is None:
        return model
    return METHODS.get("lora").merge(open_adapter(model, source.folder))


def load_body(source: ModelSource) -> Any:
    """Return the model without a head, in eval mode, for embeddings."""
    return _open(source.base or source, "body")


def open_adapter(model: Any, folder: Path) -> Any:
    """Return the PEFT model of `folder` over its base. Raises ModelFormatError (BN303)."""
    facts = folder / MODEL_FACTS
    if facts.is_file() and read_config(facts).get(MARK) and not averages(model):
        add_averaging_layer(model)
    with _loading(folder):
        return lora.open_adapter(model, folder)


def _open(source: ModelSource, family: str, **changes: Any) -> Any:
    import transformers

    loader = getattr(transformers, _FAMILIES[family])
    config = _config(source)
    # The first argument of from_pretrained wins over what a checkpoint says of its head.
    if type(config) not in loader._model_mapping:
        raise ModelTaskError(
            f"{config.model_type!r} has no model for {family}",
            where=str(source.folder),
            fix="use an encoder such as sentence-transformers/all-MiniLM-L6-v2",
        )
    with _loading(source.folder):
        model = loader.from_pretrained(
            source.folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype="float32",
            **changes,
        )
    # Saved with an adapter, so that others find the base again.
    model.config._name_or_path = model.name_or_path = source.reference
    return model.eval()


def _config(source: ModelSource) -> Any:
    from transformers import AutoConfig

    with _loading(source.config_folder):
        return AutoConfig.from_pretrained(
            source.config_folder, local_files_only=True, trust_remote_code=False
        )


def _dropout_changes(source: ModelSource, dropout: float | None) -> dict[str, float]:
    if dropout is None:
        return {}
    config = _config(source)
    return {key: dropout for key in _DROPOUT_KEYS if hasattr(config, key)}


@contextmanager
def _loading(folder: Path) -> Iterator[None]:
    """Keep transformers quiet, and turn what it raises about a bad folder into our error."""
    try:
        with quiet():
            yield
    # The loaders raise anything from KeyError to their own errors for a malformed folder.
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError) as err:
        raise damaged(folder, err) from err
