"""Serve saved models over HTTP: find them, load them, answer until told to stop."""

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.errors import MissingPackageError, UsageError
from burnish.pipeline.context import fetchers

if TYPE_CHECKING:
    from burnish.serving.opening import Precision
    from burnish.serving.settings import Settings

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def named_models(model: str, others: Sequence[str]) -> dict[str, str]:
    """Return name → reference: the model that is meant without a name, and `name=REF` ones.

    Raises:
        UsageError: BN103, an option is not of that form, or a name is given twice.
    """
    found = {_name_of(model): model}
    for given in others:
        name, equals, reference = given.partition("=")
        if not equals or not name.strip() or not reference:
            raise UsageError(
                f"{given!r} is not name=REF",
                where="option --model",
                fix="write `--model tickets=runs/…` with a run folder, model folder or URI",
            )
        if name in found:
            raise UsageError(
                f"two models are called {name!r}",
                where="option --model",
                fix="give each another name; the first is called like its folder",
            )
        found[name] = reference
    return found


def check_packages() -> None:
    """Refuse to go on without what a server needs. Raises MissingPackageError (BN401)."""
    missing = [name for name in _PACKAGES if find_spec(name) is None]
    if missing:
        raise MissingPackageError(
            f"serving needs the package {missing[0]}",
            where="burnish serve",
            fix="pip install 'burnish[serve]'",
        )


def serve(
    references: dict[str, str],
    *,
    settings: "Settings",
    host: str,
    port: int,
    keys: Path | None,
    tracking_uri: str,
    precision: "Precision",
) -> None:
    """Answer requests until SIGTERM or SIGINT; what is at work then is answered first.

    Args:
        references: name → model folder, run folder, or `models:/…` URI.
        settings: limits of the server.
        host: address to listen on.
        port: 0: any free one.
        keys: file of API keys; None: everybody may ask.
        tracking_uri: the store that `models:/` URIs are looked up in.
        precision: auto: as the models were judged.

    Raises:
        BurnishError: a package, a model, the keys or the address is not as it must be.
    """
    check_packages()
    from burnish.serving.app import build_app
    from burnish.serving.keys import KeyRing
    from burnish.serving.lifecycle import Lifecycle
    from burnish.serving.logs import log_to_stderr
    from burnish.serving.metrics import Metrics
    from burnish.serving.models import Models
    from burnish.serving.opening import find
    from burnish.serving.server import Server, open_socket

    ring = KeyRing.read(keys) if keys else KeyRing()
    metrics, lifecycle = Metrics(), Lifecycle()
    places = fetchers(tracking_uri)
    models = Models(
        {
            name: partial(find, name, reference, fetchers=places, precision=precision)
            for name, reference in references.items()
        },
        max_queue=settings.max_queue,
        batch_tokens=settings.batch_tokens,
        observer_of=metrics.of_model,
    )
    with open_socket(host, port) as listener:  # before loading, which takes longer to fail
        models.load()
        log_to_stderr()
        app = build_app(models, settings=settings, keys=ring, metrics=metrics, lifecycle=lifecycle)
        address, bound = listener.getsockname()[:2]
        server = Server(
            app,
            models=models,
            settings=settings,
            lifecycle=lifecycle,
            ready={"url": _url(address, bound), "models": list(references), "keys": bool(keys)},
        )
        server.run(sockets=[listener])


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _name_of(reference: str) -> str:
    """Return what a model is called by itself: its folder, or its name in the registry."""
    scheme, colon, rest = reference.partition(":/")
    if colon and scheme == "models":
        return rest.strip("/").partition("@")[0].partition("/")[0]
    return Path(reference).resolve().name
