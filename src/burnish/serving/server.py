"""Run the application under uvicorn, and stop without losing an answer.

On SIGTERM /readyz turns to 503 first, so that whoever sends requests sends them elsewhere; what is
at work is answered; then the server closes. At a second one it is given up with 503. SIGHUP looks
every model up anew.
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

from burnish.serving.app import swap_all
from burnish.serving.lifecycle import Lifecycle
from burnish.serving.logs import tell
from burnish.serving.models import Models
from burnish.serving.settings import Settings

_BACKLOG = 2048


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
        if self._loop is None:
            self.should_exit = True
        elif self._lifecycle.draining:
            self._loop.call_soon_threadsafe(self._stop)
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
        if self.force_exit:  # uvicorn leaves the application to be cancelled, and logs that
            await self.lifespan.shutdown()

    def _stop(self) -> None:
        """Give up what is at work; each request's own task then tells its client."""
        if not self._lifecycle.stopped:
            self._lifecycle.stop()
            self.should_exit = self.force_exit = True
            for task in self.server_state.tasks:
                task.cancel()

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
