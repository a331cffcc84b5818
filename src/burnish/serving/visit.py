"""One request on its way through the server: what its log line will tell, and its deadline."""

import asyncio
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.requests import Request

from burnish.serving.engine import Facts
from burnish.serving.logs import tell
from burnish.serving.metrics import Metrics
from burnish.serving.settings import Settings

LEFT = 499  # status, in log and metrics alone, of requests whose client left
_ID = re.compile(r"[\w.:-]{1,64}")


@dataclass(slots=True, kw_only=True)
class Visit:
    """What is known of a request so far."""

    id: str
    until: float  # time of the event loop by which its answer is wanted
    log_text: bool
    told: dict[str, Any] = field(default_factory=dict)  # for the log: model, inputs, tokens
    _start: float = field(default_factory=time.perf_counter)

    @classmethod
    def begin(cls, settings: Settings, given_id: str | None = None) -> Self:
        """Return a request that comes now; its id is the client's, where that is a fit one."""
        return cls(
            id=request_id(given_id),
            until=asyncio.get_running_loop().time() + settings.deadline_s,
            log_text=settings.log_text,
        )

    def tell(self, **facts: Any) -> None:
        """Note facts for the log line."""
        self.told |= facts

    def tell_model(self, facts: Facts, inputs: int) -> None:
        """Note which model is asked, and for how many inputs."""
        self.told |= {"model": facts.name, "version": facts.version, "inputs": inputs}

    def tell_text(self, **texts: Any) -> None:
        """Note what a user wrote, or was answered, where texts are logged."""
        if self.log_text:
            self.told |= texts

    def ended(self, metrics: Metrics, *, method: str, path: str, route: str, status: int) -> None:
        """Count the request and write its log line.

        Args:
            metrics: of the server.
            method: of HTTP, or what stands for it.
            path: as it was asked for.
            route: that it is counted under; few of them.
            status: of HTTP, or LEFT.
        """
        seconds = time.perf_counter() - self._start
        metrics.responded(route, status, seconds)
        tell(
            "request",
            id=self.id,
            method=method,
            path=path,
            status=status,
            ms=round(seconds * 1000, 2),
            **{name: value for name, value in self.told.items() if value is not None},
        )


def visit_of(request: Request) -> Visit | None:
    """Return the visit that a request is; a probe is none."""
    found: Visit | None = request.scope.get("state", {}).get("visit")
    return found


def visit_at(request: Request) -> Visit:
    """Return the visit that a request is. Raises KeyError for a probe."""
    found: Visit = request.scope["state"]["visit"]
    return found


def request_id(given: str | None) -> str:
    """Return the id that a client gave its request, or a new one."""
    return given if given and _ID.fullmatch(given) else secrets.token_hex(8)
