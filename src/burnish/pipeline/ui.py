"""MLflow's own page on the store a run was kept in."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psutil

from burnish.serving.address import open_socket
from burnish.tracking.mlflow import ui_command, ui_environment

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_S = 0.2
_GRACE_S = 10.0  # for requests that are being answered


def serve_ui(uri: str, *, port: int) -> int:
    """Run MLflow's page until it is stopped; return its exit code.

    Raises:
        TrackerError: BN403, the URI is of a server, or of no database.
        ServerError: BN707, another program has the port.
        KeyboardInterrupt: SIGINT came; the server has ended.
        SystemExit: 128 and its number, SIGTERM or SIGHUP came; the server has ended.
    """
    command, environment = ui_command(uri, port=port), ui_environment()
    # MLflow would say so after ten seconds, and end as if all were well.
    open_socket("127.0.0.1", port).close()
    with _noted() as came:
        # MLflow starts the process that listens as its own child, and does not end it when it is
        # ended itself; in a group of their own both are reached.
        server = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
        try:
            while server.poll() is None and not came:
                time.sleep(_LOOK_S)
        finally:
            _end(server)
    if came and came[0] == signal.SIGINT:
        raise KeyboardInterrupt
    if came:
        raise SystemExit(128 + came[0])
    return server.returncode


@contextmanager
def _noted() -> Iterator[list[int]]:
    """Yield the signals that came inside the block; those ignored, as under nohup, stay so."""
    came: list[int] = []

    def note(number: int, _: Any) -> None:
        came.append(number)

    before = {one: signal.getsignal(one) for one in _SIGNALS}
    for one, handler in before.items():
        if handler != signal.SIG_IGN:
            signal.signal(one, note)
    try:
        yield came
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End all of the server's group, and wait for it; kill what is still there after a while."""
    for number, wait_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 1.0)):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        end = time.monotonic() + wait_s
        while _is_alive(server) and time.monotonic() < end:
            time.sleep(_LOOK_S / 4)
    server.wait()


def _is_alive(server: "subprocess.Popen[bytes]") -> bool:
    """Whether any process of the server's group runs; one that only awaits its parent does not."""
    server.poll()
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(process.pid) == server.pid and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False
