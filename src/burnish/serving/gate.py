"""The door of the server: every request comes in, and goes out, through here.

In: is the server about to stop, is there room at all, may this key ask, is the body of a size that
is read. Meanwhile: does the client still wait; the work for one that left is cancelled. Out: one
log line, one count, and never an exception.
"""

import asyncio
from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from burnish.errors import BurnishError
from burnish.serving.body import ClientLeftError, read_body, replayed
from burnish.serving.keys import KeyRing
from burnish.serving.lifecycle import Lifecycle, stopping
from burnish.serving.logs import tell_failure
from burnish.serving.metrics import Metrics
from burnish.serving.models import Models
from burnish.serving.problems import DEFECT, defect, response_to
from burnish.serving.settings import Settings
from burnish.serving.visit import LEFT, Visit

OPEN = (
    "/healthz", "/readyz", "/metrics", "/ping", "/health", "/v2/health/live", "/v2/health/ready"
)  # fmt: skip
_ALSO_OPEN = ("/openapi.json",)


class _Outgoing:
    """Sends a response on, with the request's id, and remembers how far it got."""

    def __init__(self, send: Send, number: str, *, closing: bool) -> None:
        self._send, self._id, self._closing = send, number, closing
        self.status = 0
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._id
            if self._closing:
                headers["connection"] = "close"
        elif message["type"] == "http.response.body":
            self.complete = not message.get("more_body", False)
        await self._send(message)


class _Leaving:
    """Watches for a client that leaves before it has its whole response, and ends its work."""

    def __init__(self, work: "asyncio.Task[None] | None", receive: Receive, out: _Outgoing) -> None:
        self.gone = asyncio.Event()
        self._work, self._receive, self._out = work, receive, out
        self._watch = asyncio.ensure_future(self._wait())

    def take_back(self) -> bool:
        """Return whether it was this that cancelled the work, and count it as settled."""
        if not self.gone.is_set() or self._work is None:
            return False
        self._work.uncancel()
        return True

    def end(self) -> None:
        """Watch no more."""
        self._watch.cancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._out.complete and self._work is not None:
            self.gone.set()
            self._work.cancel()


class Gate:
    """ASGI middleware around all routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        models: Models,
        settings: Settings,
        keys: KeyRing,
        metrics: Metrics,
        lifecycle: Lifecycle,
        paths: Collection[str],
    ) -> None:
        self._app, self._models = app, models
        self._settings, self._keys = settings, keys
        self._metrics, self._lifecycle = metrics, lifecycle
        self._paths = frozenset(paths)
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or tell why not."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        visit = Visit.begin(self._settings, Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["visit"] = visit
        out = _Outgoing(send, visit.id, closing=self._lifecycle.draining)
        self._lifecycle.began()
        self._metrics.began()
        try:
            await self._answer(scope, receive, out, visit)
        finally:
            self._lifecycle.ended()
            self._count(scope, out, visit)

    async def _answer(self, scope: Scope, receive: Receive, out: _Outgoing, visit: Visit) -> None:
        try:
            self._lifecycle.check_open()
            if scope["method"] == "POST":
                self._models.check_room(self._lifecycle.at_work)
            if scope["path"] not in _ALSO_OPEN:
                visit.tell(key=self._keys.admit(_key_of(Headers(scope=scope))))
            await self._take_turns()
            most, until = self._settings.body_bytes, visit.until
            body = await read_body(scope, receive, most=most, until=until)
            await self._work(scope, body, receive, out)
        except ClientLeftError:
            out.status = LEFT
        except BurnishError as err:
            visit.tell(error=err.code)
            await response_to(err, scope["path"])(scope, receive, out)
        except asyncio.CancelledError:
            if not self._lifecycle.stopped:
                raise
            if not out.status:
                await response_to(stopping(), scope["path"])(scope, receive, out)
        except Exception:  # noqa: BLE001  (whatever it is, the client is told in the usual form)
            tell_failure("defect", id=visit.id)
            if not out.status:
                await response_to(defect(), scope["path"], status=DEFECT)(scope, receive, out)

    async def _take_turns(self) -> None:
        """Let those in that came at once one by one, so that whoever is refused is told between.

        To read a text takes longer than to refuse one, and the loop does both.
        """
        if self._lifecycle.at_work > 1:
            async with self._turn:
                await asyncio.sleep(0)

    async def _work(self, scope: Scope, body: bytes, receive: Receive, out: _Outgoing) -> None:
        """Run the routes, unless the client leaves first."""
        leaving = _Leaving(asyncio.current_task(), receive, out)
        try:
            await self._app(scope, replayed(body, leaving.gone), out)
        except asyncio.CancelledError:
            if not leaving.take_back():
                raise
            raise ClientLeftError from None
        finally:
            leaving.end()

    def _count(self, scope: Scope, out: _Outgoing, visit: Visit) -> None:
        status = out.status or LEFT
        route = scope["path"]
        if route not in self._paths:  # what a client made up would be a new series each
            route = getattr(scope.get("route"), "path", "other")
        visit.ended(
            self._metrics,
            method=scope["method"],
            path=scope["path"],
            route=route,
            status=status,
        )


def _key_of(headers: Headers) -> str | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return headers.get("x-api-key")
