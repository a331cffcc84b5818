"""The command as a process: signals, log, and the way out."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

COMMAND = "from burnish.cli.main import main; main()"


def test_a_server_swaps_at_sighup_and_answers_what_is_at_work_at_sigterm(
    folders: dict[str, Path], other_classifier: Path, tmp_path: Path
) -> None:
    place, log = shutil.copytree(folders["colours"], tmp_path / "colours"), tmp_path / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "serve", str(place), "--port", "0"],
            stderr=file,
            env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        )
    try:
        url = _url(log, process)
        before = _ask(url).json()["version"]
        shutil.rmtree(place)
        shutil.copytree(other_classifier, place)
        process.send_signal(signal.SIGHUP)
        while _ask(url).json()["version"] == before:
            time.sleep(0.05)
        with ThreadPoolExecutor(40) as pool:
            asked = [pool.submit(_ask, url, "word1 word2 " * 7) for _ in range(40)]
            while _at_work(url) < 1 and not asked[-1].done():
                pass
            process.send_signal(signal.SIGTERM)
            found = [one.result() for one in asked]
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()

    assert {one.status_code for one in found if one is not None} <= {200, 503}
    lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    events = [line["event"] for line in lines]
    assert {"ready", "swapped", "request", "drain"} <= set(events)
    drained = next(line for line in lines if line["event"] == "drain")
    late = [line for line in lines[events.index("drain") :] if line["event"] == "request"]
    assert sum(line["status"] == 200 for line in late) >= drained["at_work"]
    assert "word1" not in log.read_text("utf-8")


def _url(log: Path, process: "subprocess.Popen[bytes]") -> str:
    deadline = time.monotonic() + 120
    while not (found := re.search(r'"url": "(\S+)"', log.read_text("utf-8"))):
        assert process.poll() is None, log.read_text("utf-8")
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found[1]


class _Refused:
    """Stands for a connection that came when the server had closed."""

    status_code = 503


def _ask(url: str, text: str = "word3") -> httpx.Response:
    try:
        return httpx.post(f"{url}/v1/predict", json={"input": text}, timeout=60)
    except httpx.TransportError:
        return _Refused()  # type: ignore[return-value]


def _at_work(url: str) -> float:
    page = httpx.get(f"{url}/metrics").text
    found = re.search(r"^burnish_http_in_flight (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0
