"""What a server counts, as Prometheus reads it.

The only module that imports prometheus_client.
"""

from prometheus_client import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from burnish.serving.models import Models
from burnish.serving.scheduler import Outcome

__all__ = ["CONTENT_TYPE", "Metrics"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """Counters of one server; another in the same process has its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._responses = Counter(
            "burnish_http_responses", "Responses sent.", ("path", "status"), registry=registry
        )
        self._seconds = Histogram(
            "burnish_http_response_seconds",
            "From the request's first byte to the response's last.",
            ("path",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge("burnish_http_in_flight", "Requests at work.", registry=registry)
        self._ended = Counter(
            "burnish_inputs", "Inputs by how they ended.", ("model", "outcome"), registry=registry
        )
        self._batch = Histogram(
            "burnish_batch_inputs",
            "Inputs computed together.",
            ("model",),
            buckets=_SIZES,
            registry=registry,
        )
        self._tokens = Counter("burnish_tokens", "Tokens computed.", ("model",), registry=registry)
        self._computing = Counter(
            "burnish_computing_seconds", "Time the model was busy.", ("model",), registry=registry
        )
        self._queued = Gauge("burnish_queued_inputs", "Inputs that wait.", ("model",),
                             registry=registry)  # fmt: skip
        self._info = Gauge("burnish_model_info", "Version served now.", ("model", "version"),
                           registry=registry)  # fmt: skip

    def began(self) -> None:
        """Count a request that came."""
        self._in_flight.inc()

    def responded(self, path: str, status: int, seconds: float) -> None:
        """Count a request that ended; `path` is that of a route, never what a client wrote."""
        self._in_flight.dec()
        self._responses.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)

    def of_model(self, name: str) -> "_OfModel":
        """Return the observer of a model's queue."""
        return _OfModel(self, name)

    def ended(self, model: str, outcome: Outcome, requests: int) -> None:
        """Count inputs that ended."""
        self._ended.labels(model, outcome).inc(requests)

    def computed(self, model: str, requests: int, tokens: int, seconds: float) -> None:
        """Count a batch."""
        self._batch.labels(model).observe(requests)
        self._tokens.labels(model).inc(tokens)
        self._computing.labels(model).inc(seconds)

    def page(self, models: Models) -> bytes:
        """Return what Prometheus scrapes."""
        self._info.clear()
        for name, served in models.served.items():
            self._queued.labels(name).set(served.scheduler.queued)
            self._info.labels(name, served.facts.version).set(1)
        return generate_latest(self._registry)


class _OfModel:
    """Tells the metrics of one model's queue."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._metrics, self._name = metrics, name

    def ended(self, outcome: Outcome, requests: int) -> None:
        """Count requests that ended."""
        self._metrics.ended(self._name, outcome, requests)

    def computed(self, requests: int, tokens: int, seconds: float) -> None:
        """Count a batch."""
        self._metrics.computed(self._name, requests, tokens, seconds)
