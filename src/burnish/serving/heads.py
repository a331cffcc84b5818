"""Answers to HEAD: those to GET without their body, for whatever can be asked with GET (RFC 9110).

Inside the gate, so that keys, limits, log and figures are for HEAD what they are for GET; and apart
from the routes, so that the description of the API tells each operation once.
"""

from starlette.types import ASGIApp, Receive, Scope, Send


class Heads:
    """ASGI middleware that asks the routes for GET where a client sent HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the body of an answer to HEAD is left out by uvicorn."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send)
        finally:
            scope["route"] = asked.get("route")  # the gate counts by it
