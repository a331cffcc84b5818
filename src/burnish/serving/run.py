"""Put a server together and run it until it is told to stop."""

from collections.abc import Mapping
from pathlib import Path

from burnish.serving.address import listeners, open_socket
from burnish.serving.app import build_app
from burnish.serving.keys import KeyRing
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.logs import log_to_stderr
from burnish.serving.memory import settle
from burnish.serving.metrics import Metrics
from burnish.serving.models import Finder, Models
from burnish.serving.page.asks import PATH
from burnish.serving.page.opening import why_off
from burnish.serving.server import Server
from burnish.serving.settings import Settings


def run(
    finders: Mapping[str, Finder],
    *,
    settings: Settings,
    host: str,
    port: int,
    keys: Path | None,
) -> None:
    """Answer requests until SIGTERM or SIGINT; what is at work then is answered first.

    Args:
        finders: look the models up, by name; the first is meant where a request names none.
        settings: limits of the server.
        host: address to listen on.
        port: 0: any free one.
        keys: file of API keys; None: everybody may ask.

    Raises:
        BurnishError: a model, the keys or the address is not as it must be.
    """
    ring = KeyRing.read(keys) if keys else KeyRing()
    metrics, lifecycle = Metrics(), Lifecycle()
    models = Models(
        finders,
        max_queue=settings.max_queue,
        batch_tokens=settings.batch_tokens,
        observer_of=metrics.of_model,
    )
    with open_socket(host, port) as listener:  # before loading, which takes longer to fail
        models.load()
        log_to_stderr()
        app = build_app(models, settings=settings, keys=ring, metrics=metrics, lifecycle=lifecycle)
        address, bound = listener.getsockname()[:2]
        url = _url(address, bound)
        ready = {"url": url, "models": list(finders), "keys": bool(keys)}
        ready["page"] = why_off(settings, ring) or f"{url}{PATH}/"
        server = Server(app, models=models, settings=settings, lifecycle=lifecycle, ready=ready)
        settle()
        server.run(sockets=listeners(listener))


def _url(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
