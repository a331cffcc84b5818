"""Serve saved models over HTTP: find them, load them, answer until told to stop."""

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.errors import MissingPackageError, UsageError
from burnish.pipeline.context import fetchers

if TYPE_CHECKING:
    from burnish.serving.engine import Computing, Precision
    from burnish.serving.settings import Settings

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def named_models(model: str, others: Sequence[str]) -> dict[str, str]:
    """Return name → reference: the model that is meant without a name, and `name=REF` ones.

    Raises:
        UsageError: BN103, an option is not of that form, a name has a slash, or is given twice.
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
        if "/" in name:
            raise UsageError(
                f"the name {name!r} has a slash: no path such as /v1/models/NAME would reach it",
                where="option --model",
                fix=f"call it {name.replace('/', '-')!r}",
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
    engine: "Computing" = "auto",
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
        engine: auto: as suits the models.

    Raises:
        BurnishError: a package, a model, the keys or the address is not as it must be.
    """
    check_packages()
    from burnish.serving.opening import find
    from burnish.serving.run import run

    places = fetchers(tracking_uri)
    finders = {
        name: partial(find, name, reference, fetchers=places, precision=precision, engine=engine)
        for name, reference in references.items()
    }
    run(finders, settings=settings, host=host, port=port, keys=keys)


def _name_of(reference: str) -> str:
    """Return what a model is called by itself: its folder, or its name in the registry."""
    scheme, colon, rest = reference.partition(":/")
    if colon and scheme == "models":
        return rest.strip("/").partition("@")[0].partition("/")[0]
    return Path(reference).resolve().name
