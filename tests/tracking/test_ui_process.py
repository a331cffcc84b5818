"""`burnish ui` ends with all that it started, whichever signal ends it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

BURNISH = str(Path(sys.executable).with_name("burnish"))

# As from a terminal: what starts in the background, as tests may be, is told to ignore signals.
_HEARING = """
import os, signal, sys

for one in (signal.SIGHUP, signal.SIGINT):
    signal.signal(one, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def wait_until_open(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if is_open(port):
            return
        time.sleep(0.1)
    pytest.fail(f"the page did not come up: {log.read_text()[-2000:]}")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_page_and_all_its_processes(
    number: signal.Signals, status: int, migrated_store: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_store, tmp_path / "burnish.db")
    port, log = free_port(), tmp_path / "log"
    with log.open("wb") as told:
        page = subprocess.Popen(
            [sys.executable, "-c", _HEARING, str(BURNISH), "ui", "--port", str(port)],
            cwd=tmp_path,
            stdout=told,
            stderr=told,
        )
    started: list[psutil.Process] = []
    try:
        wait_until_open(port, page, log)
        started = psutil.Process(page.pid).children(recursive=True)
        page.send_signal(number)

        assert page.wait(30) == status
        assert started
        assert not is_open(port)
        assert not [one for one in started if one.is_running() and one.status() != "zombie"]
    finally:
        page.kill()
        for one in started:
            if one.is_running():
                os.kill(one.pid, signal.SIGKILL)
