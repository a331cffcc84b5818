"""How `burnish serve` behaves when much is asked of it: each trial on a fresh server.

- overload: 300 clients ask at once, the queue holds 64 inputs; seven such bursts. How many are
  answered and refused, how long a refusal takes in each burst, and one who asks afterwards.
- leavers: while a batch is computed, 1,000 clients ask and leave. How many batches are computed
  for them.
- drain: SIGTERM while 40 requests are in flight. How many are answered, the exit status.
- swaps: the model's folder is exchanged 20 times while 8 clients ask. How many requests fail.
- endure: 20,000 requests after 1,000. How much memory, how many descriptors and threads are added
  to what the first thousand left, after each quarter.

Prints one JSON line. Run: `python benchmarks/serve_load.py --model RUN`.
"""

import argparse
import asyncio
import json
import os
import selectors
import shutil
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import cycle, islice, pairwise
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil
from contest import Figures, Spec
from serve import ask, head_of, parsed, percentile, post, serving
from serve_peers import folder_of

PATH = "/v1/predict"
CLIENTS, QUEUE, BURSTS = 300, 64, 7
LEAVERS, IN_FLIGHT, SWAPS, WARM, PARTS = 1000, 40, 20, 1000, 4
LONG = 100  # times a text is repeated to keep the model busy


@contextmanager
def started(spec: Spec, *options: str) -> Iterator[tuple[int, Popen[bytes]]]:
    """Run a server; yield its port and process."""
    with serving(spec | {"who": f"burnish-{spec['precision']}", "options": options}) as running:
        yield running.port, running.process


async def request(port: int, told: Any) -> tuple[int, float, Any]:
    """Send one request on a connection of its own; return status, seconds and answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.perf_counter()
    writer.write(post(PATH, told))
    try:
        status, length = await head_of(reader)
        seconds = time.perf_counter() - start
        answer = json.loads(await reader.readexactly(length))
    finally:
        writer.close()
    return status, seconds, answer


async def metric(port: int, name: str, label: str = "") -> float:
    """Return the sum of a metric of the server, over its series or those with a label."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
    page = (await reader.read()).decode()
    writer.close()
    lines = [one for one in page.splitlines() if one.startswith(name) and label in one]
    return sum(float(one.rsplit(" ", 1)[1]) for one in lines)


async def overload(spec: Spec) -> Figures:
    """Ask more at once than the queue holds, several times."""
    statuses: Counter[int] = Counter()
    middle, slowest, dropped = [], [], 0
    with started(spec, "--max-queue", str(QUEUE)) as (port, _):
        await warmed(port, spec)
        usual, _ = await ask(port, PATH, spec["texts"][:50], clients=1)
        texts = list(islice(cycle(spec["texts"]), CLIENTS))
        for _ in range(BURSTS):
            found = await asyncio.to_thread(at_once, port, texts)
            after = await request(port, spec["texts"][0])
            whole = [one for one in found if one]
            dropped += len(found) - len(whole)
            statuses.update(status for status, _ in whole)
            refused = [seconds for status, seconds in whole if status in (429, 503)]
            if refused:
                middle.append(percentile(refused, 50))
                slowest.append(percentile(refused, 99))
    return {
        "bursts": BURSTS,
        "statuses": dict(statuses),
        "dropped": dropped,
        "refused_p50_ms": sorted(middle),
        "refused_p99_ms": sorted(slowest),
        "alone_p50_ms": percentile(usual, 50),
        "afterwards_ms": round(after[1] * 1000, 1),
    }


def at_once(port: int, asked: Sequence[Any]) -> list[tuple[int, float] | None]:
    """Ask on as many open connections; return status and seconds of each, None if dropped.

    By plain sockets: three hundred clients of asyncio take as long as the server does, on the
    same cores, and would be measured with it.
    """
    clients = [Client(port, post(PATH, one)) for one in asked]
    for client in clients:
        client.send()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        while selector.get_map():
            events = selector.select(timeout=60)
            assert events, f"{len(selector.get_map())} requests without an answer for a minute"
            for key, _ in events:
                if not key.data.read():
                    selector.unregister(key.fileobj)
    return [client.told() for client in clients]


class Client:
    """One request on a connection that is open."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.request, self.got = request, b""
        self.sent = self.first = 0.0

    def send(self) -> None:
        """Send the request; one that the server cuts off has no answer to read."""
        self.sent = time.perf_counter()
        with suppress(ConnectionError):
            self.socket.sendall(self.request)

    def read(self) -> bool:
        """Read what has come; return whether more is to come."""
        self.first = self.first or time.perf_counter()
        with suppress(ConnectionError):
            if more := self.socket.recv(1 << 16):
                self.got += more
                return self.told() is None
        return False

    def told(self) -> tuple[int, float] | None:
        """Return status and seconds to the first byte of a whole answer; None where it is cut."""
        head, found, body = self.got.partition(b"\r\n\r\n")
        if not found:
            return None
        status, length = parsed(head)
        return (status, self.first - self.sent) if len(body) >= length else None


async def leavers(spec: Spec) -> Figures:
    """Leave before one is answered."""
    with started(spec, "--max-queue", str(2 * LEAVERS)) as (port, _):
        await warmed(port, spec)
        before = await metric(port, "burnish_batch_inputs_count")
        blocker = asyncio.create_task(request(port, busy(spec)))
        await asyncio.sleep(0.2)
        for text in islice(cycle(spec["texts"]), LEAVERS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(post(PATH, text))
            await writer.drain()
            await asyncio.sleep(0)
            writer.close()
        held_up = not blocker.done()
        status, _, _ = await blocker
        alone = await metric(port, "burnish_batch_inputs_count") - before
        await asyncio.sleep(1)
        every = await metric(port, "burnish_batch_inputs_count") - before
        cancelled = await metric(port, "burnish_inputs_total", 'outcome="cancelled"')
    return {
        "blocker": status,
        "blocker_outlasted_them": held_up,
        "cancelled": cancelled,
        "batches_after_it": every - alone,
    }


async def drain(spec: Spec) -> Figures:
    """Stop the server while requests are in flight."""
    with started(spec) as (port, server):
        await warmed(port, spec)
        texts = [one * 20 for one in islice(cycle(spec["texts"]), IN_FLIGHT)]
        asked = [asyncio.create_task(request(port, text)) for text in texts]
        while await metric(port, "burnish_http_in_flight") < IN_FLIGHT:
            assert not all(one.done() for one in asked), "answered before the server was stopped"
            await asyncio.sleep(0.005)
        server.send_signal(signal.SIGTERM)
        found = await asyncio.gather(*asked, return_exceptions=True)
        code = await asyncio.to_thread(server.wait, 60)
    return {"answered": sum(isinstance(one, tuple) and one[0] == 200 for one in found),
            "of": IN_FLIGHT, "exit": code}  # fmt: skip


async def swaps(spec: Spec) -> Figures:
    """Exchange the folder of the model while it is asked."""
    home = Path(spec["folder"])
    for name in ("a", "b"):
        shutil.copytree(spec["inner"], home / name)
    (home / "b" / "note.txt").write_text("another version of the same model")
    here = home / "here"
    here.symlink_to(home / "a")
    statuses: Counter[int] = Counter()
    versions: list[str] = []
    with started(spec | {"model": str(here)}) as (port, server):
        await warmed(port, spec)
        ended = asyncio.Event()

        async def client() -> None:
            for text in cycle(spec["texts"]):
                if ended.is_set():
                    return
                status, _, answer = await request(port, [text, text])
                statuses[status] += 1
                versions.append(answer.get("version", "none"))

        clients = [asyncio.create_task(client()) for _ in range(8)]
        for number in range(SWAPS):
            link = home / "next"
            link.symlink_to(home / "ba"[number % 2])
            link.replace(here)
            before = versions[-1:]
            server.send_signal(signal.SIGHUP)
            await until(lambda old=before: versions[-1:] != old)
        ended.set()
        await asyncio.gather(*clients)
    changes = sum(one != other for one, other in pairwise(versions))
    return {"statuses": dict(statuses), "swaps": SWAPS, "versions": len(set(versions)),
            "changes_seen": changes}  # fmt: skip


async def endure(spec: Spec) -> Figures:
    """Ask very often."""
    with started(spec) as (port, server):
        process = psutil.Process(server.pid)

        async def go(count: int) -> tuple[float, int, int]:
            texts = list(islice(cycle(spec["texts"]), count))
            await ask(port, PATH, texts, clients=16)
            await asyncio.sleep(1)
            return process.memory_info().rss / 1e6, process.num_fds(), process.num_threads()

        warm = await go(WARM)
        # In parts, so that what grows for ever shows beside what every new shape adds once.
        parts = [await go(spec["requests"] // PARTS) for _ in range(PARTS)]
    names = ("memory_mb", "descriptors", "threads")
    return {
        name: {"warm": round(first, 1), "added": [round(one - first, 1) for one in later]}
        for name, first, *later in zip(names, warm, *parts, strict=True)
    } | {"requests": spec["requests"]}


async def warmed(port: int, spec: Spec) -> None:
    """Have every text answered once."""
    await ask(port, PATH, spec["texts"], clients=4)


def busy(spec: Spec) -> list[str]:
    """Return inputs that take the model seconds."""
    return [" ".join(spec["texts"])[:5000]] * LONG


async def until(done: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not done():
            await asyncio.sleep(0.01)


TRIALS: dict[str, Callable[[Spec], Awaitable[Figures]]] = {
    "overload": overload,
    "leavers": leavers,
    "drain": drain,
    "swaps": swaps,
    "endure": endure,
}


def trials(given: argparse.Namespace, folder: Path) -> Figures:
    """Return what each trial showed."""
    from burnish.data.starter import clauses
    from burnish.pipeline.manifest import git_commit
    from burnish.training.processor import cores

    os.environ["HF_HUB_OFFLINE"] = "1"
    texts: Sequence[str] = clauses("test")["text"].to_list()[:100]
    spec: Spec = {
        "task": "classifier",
        "model": given.model,
        "inner": folder_of(given.model),
        "folder": str(folder),
        "precision": given.precision,
        "requests": given.requests,
        "texts": texts,
    }
    return {
        "benchmark": "serve_load",
        "precision": given.precision,
        "commit": git_commit(),
        "threads": cores(),
        **{name: asyncio.run(TRIALS[name](spec)) for name in given.only or TRIALS},
    }


def main() -> None:
    """Run the trials; print one JSON line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="run or model folder of a classifier")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--only", nargs="*", choices=list(TRIALS))
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(trials(parser.parse_args(), Path(folder))))


if __name__ == "__main__":
    main()
