"""Brings models and checkpoints back from MLflow as local folders.

Only files are fetched; no code of the store is run. Loading is the guarded loader's work.
Files on this machine are used where they lie; those of a server are copied into a cache, one
folder for each location, complete or absent.

Called by the model resolver (`models:/…`, `runs:/…`) and by commands that list checkpoints.
"""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from urllib.request import url2pathname

import yaml

from burnish.errors import TrackerError
from burnish.files import storage_errors
from burnish.runfolder import MODEL_FACTS
from burnish.tracking.mlflow.store import (
    Store,
    import_mlflow,
    open_store,
    restrained,
    shown,
    store_errors,
)

CHECKPOINTS = "checkpoints"  # folder of a run's artifacts; one folder `epoch-<n>` inside each
_MODEL_FILES = (MODEL_FACTS, "config.json", "adapter_config.json")
_REGISTERED = re.compile(
    r"models:/+(?P<name>[^/@]+)(?:@(?P<alias>[^/]+)|/(?P<version>[^/]+))?/?", re.ASCII
)
_OF_RUN = re.compile(r"runs:/+(?P<run>[^/]+)/(?P<path>.+?)/?")


class _Place(NamedTuple):
    location: str  # URI or path of files
    keeps: bool  # whether what is there never changes, so that a cached copy can be used again


def download(uri: str, tracking_uri: str) -> Path:
    """Return the local folder of a model in save_pretrained form.

    Args:
        uri: `models:/name@alias`, `models:/name/3`, `models:/name/latest`, `models:/<model id>`,
            `runs:/<run id>/<path>` or `mlflow-artifacts:/…`. A checkpoint is at
            `runs:/<run id>/checkpoints/epoch-<n>`, however many zeros its number is written with.
        tracking_uri: the store, as in recipe key `tracking.uri`.

    Raises:
        TrackerError: BN403, the store does not know it, or it is no model of this form.
    """
    with _reading(tracking_uri, f"{uri} cannot be fetched") as store:
        folder = _local(store, _find(store, uri))
    return _model_folder(folder, uri, store.uri)


def checkpoints(run_id: str, tracking_uri: str) -> list[str]:
    """Return the names of a run's kept checkpoints: `best`, `epoch-1`, `epoch-2`, ….

    Raises:
        TrackerError: BN403, the store cannot be used or has no such run.
    """
    with _reading(tracking_uri, f"the checkpoints of run {run_id} cannot be listed") as store:
        return _checkpoints(store, store.client.get_run(run_id))


def checkpoint(run_id: str, epoch: int | str, tracking_uri: str) -> Path:
    """Return the local folder of one checkpoint of a run.

    Args:
        run_id: of the MLflow run.
        epoch: its number, from 1, or the name of a checkpoint such as "best".
        tracking_uri: the store, as in recipe key `tracking.uri`.

    Raises:
        TrackerError: BN403, the run has no such checkpoint; the message names those it has.
    """
    wanted = f"epoch-{epoch}" if isinstance(epoch, int) else epoch
    with _reading(tracking_uri, f"checkpoint {wanted} of run {run_id} cannot be fetched") as store:
        run = store.client.get_run(run_id)
        known = _checkpoints(store, run)
        name = _as_kept(wanted, known)
        if name not in known:
            raise TrackerError(
                f"run {run_id} keeps no checkpoint {wanted}; it has: {', '.join(known) or 'none'}",
                where=shown(tracking_uri),
                fix="choose one of them; `training.checkpoint_every_epoch: true` keeps all",
            )
        folder = f"{run.info.artifact_uri}/{CHECKPOINTS}/{name}"
        return _local(store, _Place(folder, keeps=False))


@contextmanager
def _reading(tracking_uri: str, what: str) -> Iterator[Store]:
    """Yield the store, open for reading; `what` is told when it fails."""
    with restrained():
        store = open_store(tracking_uri, create=False)
        with store_errors(store.uri, what):
            yield store


def _checkpoints(store: Store, run: Any) -> list[str]:
    folders = [entry for entry in _listed(store, run, CHECKPOINTS) if entry.is_dir]
    return sorted((Path(folder.path).name for folder in folders), key=_by_epoch)


def _by_epoch(name: str) -> tuple[bool, int, str]:
    number = name.removeprefix("epoch-")
    return (True, int(number), "") if number.isdecimal() else (False, 0, name)


def _as_kept(name: str, known: Sequence[str]) -> str:
    """Return the known name of the same epoch (`epoch-001` for `epoch-1`), or the name itself."""
    return next((kept for kept in known if _by_epoch(kept) == _by_epoch(name)), name)


def _find(store: Store, uri: str) -> _Place:
    """Return where the files that a URI names lie."""
    if found := _REGISTERED.fullmatch(uri):
        return _registered(store, uri, **found.groupdict())
    if found := _OF_RUN.fullmatch(uri):
        return _of_run(store, found["run"], found["path"])
    if uri.startswith("mlflow-artifacts:/"):
        return _Place(uri, keeps=False)
    raise TrackerError(
        f"{uri} is no address of a model in MLflow",
        where=shown(store.uri),
        fix="write models:/name@alias, models:/name/1 or runs:/<run id>/model",
    )


def _registered(
    store: Store, uri: str, name: str, alias: str | None, version: str | None
) -> _Place:
    from mlflow.exceptions import MlflowException

    client = store.client
    try:
        if alias is None and version is None:
            return _Place(client.get_logged_model(name).artifact_location, keeps=True)
        if alias is not None:
            version = client.get_model_version_by_alias(name, alias).version
        elif version == "latest":
            version = str(max(_versions(client, name)))
        location = client.get_model_version_download_uri(name, version)
        if located := _REGISTERED.fullmatch(location):
            location = client.get_logged_model(located["name"]).artifact_location
    except (MlflowException, ValueError) as err:
        raise TrackerError(
            f"{uri} is not in the registry; {_known(client, name)}",
            where=shown(store.uri),
            fix="name a registered model with `@alias` or `/version`; "
            "`tracking.register` registers the model of a run",
        ) from err
    return _Place(str(location), keeps=True)


def _versions(client: Any, name: str) -> list[int]:
    quoted = name.replace("'", "''")
    return [int(v.version) for v in client.search_model_versions(f"name='{quoted}'")]


def _known(client: Any, name: str) -> str:
    """Say what the registry does have, so that a slip is seen at once."""
    models = {model.name: model for model in client.search_registered_models(max_results=50)}
    if name in models:
        versions = ", ".join(map(str, sorted(_versions(client, name)))) or "none"
        return (
            f"{name} has versions {versions}; aliases {', '.join(models[name].aliases) or 'none'}"
        )
    return f"registered: {', '.join(sorted(models)) or 'none'}"


def _of_run(store: Store, run_id: str, path: str) -> _Place:
    """Return the model logged under a run by that name, or the run's artifact folder."""
    run = store.client.get_run(run_id)
    name, _, below = path.partition("/")
    for output in run.outputs.model_outputs if run.outputs else []:
        logged = store.client.get_logged_model(output.model_id)
        if logged.name == name:
            location = logged.artifact_location
            return _Place(f"{location}/{below}" if below else location, keeps=True)
    if name == CHECKPOINTS and below:
        epoch, slash, inside = below.partition("/")
        path = f"{CHECKPOINTS}/{_as_kept(epoch, _checkpoints(store, run))}{slash}{inside}"
    if _listed(store, run, path):
        return _Place(f"{run.info.artifact_uri}/{path}", keeps=False)
    raise TrackerError(
        f"run {run_id} has no artifact folder and no model {path!r}",
        where=shown(store.uri),
        fix="look into the run with `burnish ui`; models are at runs:/<run id>/model, "
        "checkpoints at runs:/<run id>/checkpoints/epoch-<n>",
    )


def _listed(store: Store, run: Any, folder: str) -> list[Any]:
    """Return what is in a folder of a run's artifacts: entries with `path` and `is_dir`.

    Not by the client: that looks the run's models up in MLflow's global store as well.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(run.info.artifact_uri, tracking_uri=store.uri)
    return list(repository.list_artifacts(folder))


def _local(store: Store, place: _Place) -> Path:
    """Return the files of a location on this machine, copied into the cache if need be."""
    parts = urlsplit(place.location)
    if parts.scheme in ("", "file"):
        folder = Path(url2pathname(parts.path) if parts.scheme else place.location)
        if not folder.exists():
            raise FileNotFoundError(f"the store names {folder}, which is not there")
        return folder
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    cache = Path(home) / "burnish" / "mlflow"
    target = cache / hashlib.sha256(f"{store.uri} {place.location}".encode()).hexdigest()[:24]
    if place.keeps and target.is_dir():
        return target
    with storage_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        arriving = Path(tempfile.mkdtemp(dir=cache, prefix=".arriving-"))
    try:
        got = import_mlflow().artifacts.download_artifacts(
            artifact_uri=place.location, dst_path=str(arriving), tracking_uri=store.uri
        )
        with storage_errors(target):
            if target.is_dir():
                shutil.rmtree(target)
            Path(got).rename(target)
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return target


def _model_folder(root: Path, uri: str, tracking_uri: str) -> Path:
    """Return `root`, or the folder of the artifact `model` that its MLmodel file names."""
    for folder in (root, _artifact_of(root), root / "model"):
        if folder is not None and any((folder / name).is_file() for name in _MODEL_FILES):
            return folder
    raise TrackerError(
        f"{uri} holds no model folder: none of {', '.join(_MODEL_FILES)} is there",
        where=f"{root} of {shown(tracking_uri)}",
        fix="name a model that `burnish run` logged, such as models:/name@alias",
    )


def _artifact_of(root: Path) -> Path | None:
    """Return the artifact folder in an MLflow model; None if it has none or points outside."""
    try:
        described = yaml.safe_load((root / "MLmodel").read_text("utf-8"))
        relative = described["flavors"]["python_function"]["artifacts"]["model"]["path"]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None
    folder = (root / str(relative)).resolve()
    return folder if folder.is_relative_to(root.resolve()) else None
