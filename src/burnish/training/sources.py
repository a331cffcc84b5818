"""From a model's name to a folder on this disk, safely.

A name may be a folder, a run folder, a hub id (`owner/name`, `owner/name@revision`), or a URI
of a scheme for which the caller brings a fetcher (`models:/…`, `runs:/…`). Nothing that could
run code is opened: see `training.guard`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burnish.errors import ModelFormatError, ModelNotFoundError
from burnish.files import path_errors, sha256
from burnish.training.guard import check_folder, is_graph, read_config
from burnish.training.hub import download, starter_folder

Fetchers = Mapping[str, Callable[[str], Path]]

_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[\w./-]+)?$")


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

    @property
    def address(self) -> str:
        """How others find it, wherever they are started: a hub id, a URI, or a whole path."""
        return str(self.folder) if self.origin in ("folder", "run") else self.reference

    @property
    def is_graph(self) -> bool:
        """Whether it is an ONNX export, which is run and not trained."""
        return is_graph(self.folder)

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


def resolve(
    reference: str, *, fetchers: Fetchers | None = None, graphs: bool = False
) -> ModelSource:
    """Find the model of that name on this disk, fetching it if need be.

    Args:
        reference: its name.
        fetchers: by URI scheme.
        graphs: take the folder of an ONNX export too.

    Raises:
        ModelNotFoundError: BN301, there is none, or the hub cannot be reached.
        UnsafeModelError: BN302, the folder holds code or pickled weights only.
        ModelFormatError: BN303, the folder is damaged or not a model.
    """
    source = _locate(reference, fetchers or {})
    check_folder(source.folder, graphs=graphs)
    adapter = source.folder / "adapter_config.json"
    if not adapter.is_file():
        return source
    return replace(source, base=resolve(_base_of(adapter), fetchers=fetchers))


def _base_of(adapter: Path) -> str:
    """Return where the base of an adapter is, by its adapter_config.json."""
    base = str(read_config(adapter).get("base_model_name_or_path") or "")
    if not base:
        raise ModelFormatError(
            "it names no base model",
            where=str(adapter),
            fix="set base_model_name_or_path there to a hub id or a folder",
        )
    is_path = base.startswith((".", "/", "~"))
    if is_path and not Path(base).expanduser().is_dir():
        raise ModelNotFoundError(
            f"the adapter's base {base!r} is not there",
            where=str(adapter),
            fix="put it there, or set base_model_name_or_path in that file to where it is",
        )
    return base


def _locate(reference: str, fetchers: Fetchers) -> ModelSource:
    scheme, colon, _ = reference.partition(":/")
    if colon and scheme in fetchers:
        return _in_folder(reference, fetchers[scheme](reference), origin=scheme)
    where = "recipe key `model`, or the MODEL argument"
    fix = "name a folder with config.json and *.safetensors, a run folder, or a hub id"
    with path_errors(ModelNotFoundError, where=f"{where} ({reference})", fix=fix):
        path = Path(reference).expanduser()
        if path.is_dir():
            return _in_folder(reference, path, origin="folder")
        is_file = path.is_file()
    if _HUB_ID.match(reference) and not is_file:
        return _on_hub(reference)
    raise ModelNotFoundError(f"no model is at {reference!r}", where=where, fix=fix)


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
