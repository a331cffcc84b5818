"""The way to the page: beside the gate of the APIs, loaded when it is first asked for.

The page holds connections open for as long as it is looked at, so it cannot pass the gate, which
counts requests at work. What it asks the models is counted where it asks (`page.asks`). Of what
Gradio answers only what this page needs is let through: no uploads, no files, no proxy. The
browser is told to load nothing from elsewhere.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from burnish.errors import BurnishError, OverCapacityError, RequestError
from burnish.serving.body import ClientLeftError, read_body, replayed
from burnish.serving.lifecycle import Lifecycle, stopping
from burnish.serving.logs import tell, tell_failure
from burnish.serving.page.asks import PATH
from burnish.serving.problems import DEFECT, defect, response_to
from burnish.serving.settings import Settings

_MOST_OPEN = 512  # connections of all who look at the page
_READ = re.compile(
    r"/(config|theme\.css|favicon\.ico|manifest\.json|(static|assets|svelte)/.*"
    r"|gradio_api/(info|app_id|startup-events|theme\.css|openapi\.json|queue/data"
    r"|heartbeat/\w+|call/\w+/\w+))?/?"
)
_SENT = re.compile(r"/gradio_api/(queue/join|cancel|reset|call/(v2/)?\w+)/?")
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'; "
    "form-action 'self'; base-uri 'self'"
)
_WAIT = (  # a browser that waits for seconds before an empty page looks broken
    "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=1>"
    "<meta name=viewport content='width=device-width'><title>Burnish</title>"
    "<body style='font-family:system-ui;margin:3rem'>The page is being prepared.</body>"
)


class Door:
    """ASGI middleware that answers below the page's path, and sends `/` there."""

    def __init__(
        self, app: ASGIApp, *, build: Callable[[], Any], settings: Settings, lifecycle: Lifecycle
    ) -> None:
        self._app, self._build = app, build
        self._settings, self._lifecycle = settings, lifecycle
        self._loading: asyncio.Future[ASGIApp] | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is of the page; hand on everything else."""
        path = scope["path"] if scope["type"] == "http" else ""
        if path in ("/", PATH) and scope["method"] in ("GET", "HEAD"):
            home = RedirectResponse(f"{self._settings.root_path.rstrip('/')}{PATH}/")
            await home(scope, receive, send)
        elif path.startswith(f"{PATH}/"):
            await self._answer(scope, receive, _Outgoing(send))
        else:
            await self._app(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, out: "_Outgoing") -> None:
        try:
            self._check(scope)
            self._open += 1
            try:
                await self._let_in(scope, receive, out)
            finally:
                self._open -= 1
        except ClientLeftError:
            return
        except BurnishError as err:
            await response_to(err, scope["path"])(scope, receive, out)
        except asyncio.CancelledError:
            if not self._lifecycle.stopped:
                raise
            if not out.started:
                await response_to(stopping(), scope["path"])(scope, receive, out)
            await out.end()
        except Exception:  # noqa: BLE001  (whatever it is, the client is told in the usual form)
            tell_failure("defect", path=scope["path"])
            if not out.started:
                await response_to(defect(), scope["path"], status=DEFECT)(scope, receive, out)

    async def _let_in(self, scope: Scope, receive: Receive, out: "_Outgoing") -> None:
        if scope["method"] == "POST":
            until = asyncio.get_running_loop().time() + self._settings.deadline_s
            most = self._settings.body_bytes
            body = await read_body(scope, receive, most=most, until=until)
            receive = replayed(body, asyncio.Event())
        loading = self._load()
        if scope["path"] == f"{PATH}/" and not loading.done():
            await HTMLResponse(_WAIT)(scope, receive, out)
            return
        try:
            page = await asyncio.shield(loading)
        except Exception:
            if self._loading is loading:
                self._loading = None  # it is told once; whoever comes next has it built anew
            raise
        await self._until_closing(page(self._below(scope), receive, out))
        await out.end()

    def _below(self, scope: Scope) -> Scope:
        """Return the request as one below the path that a proxy took off, for links to hold it."""
        root = self._settings.root_path.rstrip("/")
        return {**scope, "path": root + scope["path"], "root_path": root} if root else scope

    def _check(self, scope: Scope) -> None:
        """Refuse what the page does not need. Raises RequestError, OverCapacityError."""
        allowed = _SENT if scope["method"] == "POST" else _READ
        fits = scope["method"] in ("GET", "HEAD", "POST")
        if not fits or not allowed.fullmatch(scope["path"].removeprefix(PATH)):
            err = RequestError("Not Found", where=scope["path"], fix=f"open {PATH}/ in a browser")
            err.status = 404
            raise err
        if self._open >= _MOST_OPEN:
            raise OverCapacityError(
                "the page is open too often", where="the page", fix="close it where it is not used"
            )

    async def _until_closing(self, work: Any) -> None:
        """Run a request; when the server closes, end it, for it may be one that never ends."""
        task = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._lifecycle.closing.wait())
        try:
            await asyncio.wait({task, closing}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
        finally:
            for one in (task, closing):
                one.cancel()

    def _load(self) -> "asyncio.Future[ASGIApp]":
        """Return the page to come; whoever asks first has it built, and all wait for the same."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_future()
            self._keeper = asyncio.create_task(self._keep(self._loading))
        return self._loading

    async def _built(self) -> Any:
        """Build the page in a loop of its own: without one Gradio makes some and closes none."""
        return self._build()

    async def _keep(self, loading: "asyncio.Future[ASGIApp]") -> None:
        """Build the page aside, and keep it until the server closes."""
        start = asyncio.get_running_loop().time()
        try:
            page = await asyncio.to_thread(asyncio.run, self._built())
            async with page.router.lifespan_context(page):
                took = asyncio.get_running_loop().time() - start
                tell("page", seconds=round(took, 2))
                loading.set_result(page)
                await self._lifecycle.closing.wait()
        except Exception as err:  # noqa: BLE001  (whoever waits for the page is told)
            if loading.done():
                tell_failure("page failed")
            else:
                loading.set_exception(err)


class _Outgoing:
    """Sends a response on, with the page's policy, and can end one that was given up."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = self._complete = False

    async def __call__(self, message: Message) -> None:
        if self._complete:  # what was cancelled may still send an end of its own
            return
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["content-security-policy"] = _POLICY
            headers["x-content-type-options"] = "nosniff"
            headers["referrer-policy"] = "same-origin"
        elif message["type"] == "http.response.body":
            self._complete = not message.get("more_body", False)
        await self._send(message)

    async def end(self) -> None:
        """Send the end of a response that has begun and has none."""
        if self.started and not self._complete:
            self._complete = True
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
