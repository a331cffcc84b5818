"""Opens what a tracking URI names, safely for several processes at once.

A fresh SQLite store is migrated through all of MLflow's schema versions on first use; two
processes doing that at once crash, so it happens under a file lock beside the database.
Nothing global of MLflow is set: every call goes through a client that was given its URI.

Called by `tracker`, `fetch` and `page`. Failures become TrackerError (BN403).
"""

import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from burnish.errors import BurnishError, TrackerError

_SQLITE = "sqlite:///"
_LOCK_WAIT_S = 60.0
_CONNECT_WAIT_S = 3.0
# MLflow's own bounds (120 s, 7 retries) let a dead server hold a run up for many minutes.
_RESTRAINTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
_LIBRARIES = r"(mlflow|alembic|sqlalchemy)(\.|$)"  # modules whose warnings no user can act on
_NAME_ANOTHER = "name one that the store has: `burnish ui` shows them"
_USE_ANOTHER = (
    "look whether the store or server is there and may be written, set `tracking.uri` to "
    "another, or go without: `tracking.trackers: []`"
)
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}


@dataclass(frozen=True, slots=True)
class Store:
    """An open tracking store, which is the model registry too."""

    uri: str  # as MLflow is given it; a SQLite path is absolute, so later `chdir` does no harm
    client: Any  # mlflow.MlflowClient

    @property
    def artifacts(self) -> str | None:
        """Where experiments made here keep files; None: the server decides."""
        return None if is_server(self.uri) else artifact_root(self.uri).as_uri()


def open_store(uri: str, *, create: bool = True) -> Store:
    """Return a client of the store, making and migrating a SQLite database that is not there.

    Args:
        uri: `sqlite:///file.db` relative to the current folder, `http(s)://…`, or any other
            tracking URI MLflow knows.
        create: whether a SQLite file may be made; False for reading.

    Raises:
        TrackerError: BN403, nobody answers, the file cannot be made or is of another version.
    """
    uri = absolute_uri(uri)
    path = sqlite_path(uri)
    if path is not None and not create and not path.is_file():
        raise TrackerError(
            "there is no MLflow store in this file",
            where=str(path),
            fix="change to the folder of the run, or set `tracking.uri` to the store's URI",
        )
    if is_server(uri):
        _check_listening(uri)
    with store_errors(uri, "the tracking store cannot be opened"):
        mlflow = import_mlflow()
        with _sole_user(path) if path is not None else nullcontext():
            client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)  # the first call connects and migrates
    return Store(uri, client)


def import_mlflow() -> Any:
    """Return the module, imported without usage reports, its notices silenced.

    Importing starts a thread that sends usage data to MLflow's makers unless a variable says
    otherwise; it is set for the import only, and a module that is loaded already is left as is.
    """
    if "mlflow" not in sys.modules:
        with environment(_QUIET):
            import mlflow
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Filters rather than catch_warnings, which is not safe beside the threads that send metrics.
    for category in (DeprecationWarning, FutureWarning, UserWarning):
        warnings.filterwarnings("ignore", category=category, module=_LIBRARIES)
    return mlflow


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside the block, but for those the user has set."""
    absent = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(absent)
    try:
        yield
    finally:
        for name in absent:
            os.environ.pop(name, None)


def restrained() -> AbstractContextManager[None]:
    """Return a context in which a request takes 30 seconds at most, twice, without a bar."""
    return environment(_RESTRAINTS)


@contextmanager
def store_errors(uri: str, what: str) -> Iterator[None]:
    """Turn whatever MLflow and the libraries below it raise into TrackerError (BN403)."""
    try:
        yield
    except BurnishError:
        raise
    except Exception as err:
        # MLflow wraps some failures of SQLAlchemy, requests and the disk, and lets others through.
        cause = _without_password(str(err).strip().partition("\n")[0], uri)
        is_absent = getattr(err, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
        raise TrackerError(
            f"{what}: {type(err).__name__}: {cause}",
            where=shown(uri),
            fix=_NAME_ANOTHER if is_absent else _USE_ANOTHER,
        ) from err


def absolute_uri(uri: str) -> str:
    """Return the URI with a relative SQLite path made absolute; others come back unchanged."""
    path = sqlite_path(uri)
    if path is None:
        return uri
    query = uri.partition("?")[2]
    return f"{_SQLITE}{path}" + (f"?{query}" if query else "")


def sqlite_path(uri: str) -> Path | None:
    """Return the absolute path of a SQLite file; None for servers and databases in memory."""
    if not uri.startswith(_SQLITE):
        return None
    path = uri.removeprefix(_SQLITE).partition("?")[0]
    return None if path in ("", ":memory:") else Path(path).absolute()


def artifact_root(uri: str) -> Path:
    """Return the folder of artifacts: beside a SQLite file, `burnish.db` → `burnish-artifacts`."""
    path = sqlite_path(uri)
    if path is None:
        return Path("burnish-artifacts").absolute()
    return path.with_name(f"{path.stem}-artifacts")


def is_server(uri: str) -> bool:
    """Whether the URI is of a tracking server spoken to over HTTP."""
    return uri.startswith(("http://", "https://"))


def shown(uri: str) -> str:
    """Return the URI for a message: without its password."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


def _without_password(text: str, uri: str) -> str:
    password = urlsplit(uri).password
    return text.replace(password, "***") if password else text


@contextmanager
def _sole_user(path: Path) -> Iterator[None]:
    """Hold a lock beside the database, so that one process migrates and others wait for it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name(f"{path.name}.lock"), timeout=_LOCK_WAIT_S)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as err:
        raise TrackerError(
            f"another process has been setting up this store for {_LOCK_WAIT_S:g} seconds",
            where=str(path),
            fix=f"wait for it, or remove {lock.lock_file} if nothing runs any more",
        ) from err
    except OSError:
        if not path.is_file():
            raise
        # A folder that may only be read: nothing can be migrated there, so no lock is needed.
        yield
        return
    try:
        yield
    finally:
        lock.release()


def _check_listening(uri: str) -> None:
    """Raise TrackerError (BN403) within seconds when nobody listens at the server's address."""
    parts = urlsplit(uri)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=_CONNECT_WAIT_S):
            pass
    except OSError as err:
        raise TrackerError(
            f"no tracking server answers: {err.strerror or err}",
            where=shown(uri),
            fix="start the server, or set `tracking.uri` to one that runs "
            "or to a file such as sqlite:///burnish.db",
        ) from err
