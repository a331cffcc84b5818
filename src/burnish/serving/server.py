"""Run the application under uvicorn, and stop without losing an answer.

On SIGTERM /readyz turns to 503 first, so that whoever sends requests sends them elsewhere; what is
at work is answered; then the server closes. SIGHUP looks every model up anew.
"""

import asyncio
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from burnish.errors import ServerError
from burnish.serving.app import swap_all
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.logs import tell
from burnish.serving.models import Models
from burnish.serving.settings import Settings

_BACKLOG = 2048
_ACCEPTED = 16  # connections in one turn of the event loop


def open_socket(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0: any free one.

    Raises:
        ServerError: BN707, the address is taken, or is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without its protocol named, asyncio does not know it for TCP and leaves Nagle's algorithm on:
    # every response would then wait 40 ms for the client's acknowledgement of its headers.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as err:
        found.close()
        raise ServerError(
            f"cannot listen: {err.strerror or err}",
            where=f"{host} port {port}",
            fix="choose another with --port, or an address of this machine with --host",
        ) from err
    return found


def listeners(bound: socket.socket) -> list[socket.socket]:
    """Return a bound socket under so many descriptors as connections are accepted in one turn.

    uvloop accepts one of each a turn. Of hundreds that come at once the last would wait until all
    before them are read, only to be told that there is no room.
    """
    return [bound, *(bound.dup() for _ in range(_ACCEPTED - 1))]


class Server(uvicorn.Server):
    """Uvicorn's server with a way out of its own."""

    def __init__(
        self,
        app: FastAPI,
        *,
        models: Models,
        settings: Settings,
        lifecycle: Lifecycle,
        ready: Mapping[str, Any] | None = None,  # told in the log when requests are taken
    ) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            backlog=_BACKLOG,
            timeout_graceful_shutdown=int(settings.deadline_s) + 1,
        )
        super().__init__(config)
        self._models, self._settings, self._lifecycle = models, settings, lifecycle
        self._ready = ready or {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to drain; at a second signal, stop at once."""
        if self._lifecycle.draining:
            self.should_exit = self.force_exit = True
        elif self._loop is None:
            self.should_exit = True
        else:
            self._lifecycle.draining = True
            self._loop.call_soon_threadsafe(self._start, "drain", sig)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        hang_up = getattr(signal, "SIGHUP", None)
        if hang_up is not None and signal.getsignal(signal.SIGTERM) == self.handle_exit:
            self._loop.add_signal_handler(hang_up, self._start, "refresh", hang_up)
        tell("ready", **self._ready)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close; connections that only wait for what may come are ended first."""
        self._lifecycle.closing.set()
        await super().shutdown(sockets)

    def _start(self, what: str, sig: int) -> None:
        tell(what, signal=signal.Signals(sig).name, at_work=self._lifecycle.at_work)
        work = self._drain() if what == "drain" else swap_all(self._models)
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _drain(self) -> None:
        await asyncio.sleep(self._settings.drain_s)
        self._lifecycle.refusing = True
        with suppress(TimeoutError):
            # A client that reads its answer too slowly would keep the server for ever.
            await asyncio.wait_for(self._lifecycle.idle(), self._settings.deadline_s + 1)
        self.should_exit = True
