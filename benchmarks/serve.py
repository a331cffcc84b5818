"""Answers over HTTP beside the usual ways to serve a model: same model, texts and clients.

A classifier is served by a `transformers.pipeline` behind a plain FastAPI endpoint, by LitServe
with batching on the usual torch engine and on Burnish's int8 engine, and by `burnish serve` in
fp32, bf16 and int8. A model that writes is served by one-at-a-time `model.generate` in fp32
behind a plain endpoint, and by `burnish serve` in the same three. Each server is a process of its
own, and so are the clients, each of which asks again when it has its answer. All servers live at
once and are asked in turn, a part of the requests a round; those whose turn it is not are stopped.
A ratio is of two bursts of one round, seconds apart, so a machine that is slow for a minute is slow
for both; the middle round counts.

Prints one JSON line: requests/s, milliseconds of the middle and the slowest hundredth, those of
a client that asks alone, ratios, and how many answers differ from the plain endpoint's; and
which precisions `burnish serve` refused the model in, with its words.

Run: `python benchmarks/serve.py --model RUN` with a run folder of a classifier, with
`--task causal --clients 16` or `--task seq2seq --clients 16` for models that write. LitServe is
not among the project's packages: `pip install litserve` first.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

from contest import Figures, Spec, command_line, environment, machine, main
from pairs import model_folder, own_parts, recipe, rows

SPEED = "requests_per_s"
FOLDER = Path(__file__).parent
CONTESTANTS = {
    "classifier": (
        "pipeline",
        "litserve",
        "litserve-int8",
        "burnish-fp32",
        "burnish-bf16",
        "burnish-int8",
    ),
    "causal": ("generate", "burnish-fp32", "burnish-bf16", "burnish-int8"),
    "seq2seq": ("generate", "burnish-fp32", "burnish-bf16", "burnish-int8"),
}
START_S = 120
WAKING = 4  # texts that a server is asked before it is measured: it was stopped
GOLDEN = 8  # rows by which a model that writes proves itself


class RefusedError(RuntimeError):
    """A server ended before it took connections; holds what it told."""


class Contestant:
    """A server that runs, and what it was measured at, a round after the other."""

    def __init__(self, who: str, running: "Running", spec: Spec) -> None:
        self.who, self.start_s, self._spec = who, running.start_s, spec
        self._port, self._group = running.port, running.process.pid
        self._path = "/v1/predict" if who.startswith("burnish") else "/predict"
        self.waited: list[float] = []
        self.speeds: list[float] = []  # requests/s, one a round
        self.alone: list[float] = []  # ms in the middle of those asked alone, one a round
        self.answers = self._ask(spec["texts"], spec["clients"])[1]  # warms it, too
        self._signal(signal.SIGSTOP)

    def measure(self, requests: int, alone: int) -> None:
        """Be asked by one client, and then by all, while the other servers are stopped."""
        texts = self._spec["texts"]
        self._signal(signal.SIGCONT)
        self._ask(texts[:WAKING], 1)
        self.alone.append(percentile(self._ask(list(islice(cycle(texts), alone)), 1)[0], 50))
        start = time.perf_counter()
        waited, _ = self._ask(list(islice(cycle(texts), requests)), self._spec["clients"])
        self.speeds.append(requests / (time.perf_counter() - start))
        self.waited += waited
        self._signal(signal.SIGSTOP)

    def figures(self, plain: "Contestant") -> Figures:
        """Return what it was measured at, and its ratios to another."""
        return {
            SPEED: round(median(self.speeds), 2),
            "p50_ms": percentile(self.waited, 50),
            "p99_ms": percentile(self.waited, 99),
            "alone_p50_ms": round(median(self.alone), 2),
            "start_s": round(self.start_s, 1),
            "ratio": ratios(self.speeds, plain.speeds),
            "alone_ratio": ratios(self.alone, plain.alone),
            **differing(plain.answers, self.answers),
        }

    def _ask(self, texts: Sequence[str], clients: int) -> tuple[list[float], list[Any]]:
        return asyncio.run(ask(self._port, self._path, texts, clients=clients))

    def _signal(self, number: signal.Signals) -> None:
        os.killpg(self._group, number)


def ratios(own: Sequence[float], others: Sequence[float]) -> Figures:
    """Return the ratios of what was measured in the same rounds: lowest, middle, highest."""
    found = sorted(a / b for a, b in zip(own, others, strict=True))
    return {
        "middle": round(median(found), 2),
        "lowest": round(found[0], 2),
        "highest": round(found[-1], 2),
    }


@dataclass(frozen=True, slots=True)
class Running:
    """A server that takes connections."""

    port: int
    process: subprocess.Popen[bytes]
    start_s: float  # until it did


@contextmanager
def serving(spec: Spec) -> Iterator[Running]:
    """Run a contestant's server until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    start = time.perf_counter()
    with tempfile.TemporaryFile("w+") as told:
        # A group of its own: LitServe's workers outlive it.
        server = subprocess.Popen(
            command(spec, port), stdout=told, stderr=told, start_new_session=True
        )
        try:
            while not listening(port):
                ended = server.poll() is not None
                if ended or time.perf_counter() - start > START_S:
                    told.seek(0)
                    kind = RefusedError if ended else RuntimeError
                    raise kind(f"{spec['who']} does not answer: {told.read()[-3000:]}")
                time.sleep(0.05)
            yield Running(port, server, time.perf_counter() - start)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGCONT)  # one that is stopped hears nothing else
            server.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                server.wait(timeout=20)
            with suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def command(spec: Spec, port: int) -> list[str]:
    """Return the command line of a contestant's server."""
    who = spec["who"]
    if not who.startswith("burnish"):
        file = "serve_litserve.py" if who.startswith("litserve") else "serve_peers.py"
        return [sys.executable, str(FOLDER / file), who, spec["model"], str(port), spec["task"]]
    run = "from burnish.cli.main import main; main()"
    options = ["--port", str(port), "--no-page", "--precision", who.partition("-")[2]]
    return [sys.executable, "-c", run, "serve", spec["model"], *options, *spec.get("options", ())]


def listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


async def ask(
    port: int, path: str, texts: Sequence[str], *, clients: int
) -> tuple[list[float], list[Any]]:
    """Have clients ask for all texts; return the seconds each waited, and the answers."""
    waited, answers = [0.0] * len(texts), [None] * len(texts)
    places = iter(range(len(texts)))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for at in places:
            start = time.perf_counter()
            answers[at] = await asyncio.wait_for(exchange(reader, writer, path, texts[at]), 120)
            waited[at] = time.perf_counter() - start
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return waited, answers


async def exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, text: str
) -> Any:
    """Send one request on an open connection; return its answer. Light, unlike most clients."""
    writer.write(post(path, text))
    status, length = await head_of(reader)
    answer = await reader.readexactly(length)
    assert status == 200, answer
    return told(json.loads(answer))


def post(path: str, asked: Any) -> bytes:
    """Return a request as it is sent."""
    body = json.dumps({"input": asked}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: b\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def head_of(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Read the head of a response; return its status, and the bytes that follow."""
    return parsed(await reader.readuntil(b"\r\n\r\n"))


def parsed(head: bytes) -> tuple[int, int]:
    """Return the status that the head of a response tells, and the bytes that follow."""
    return int(head.split()[1]), int(head.lower().partition(b"content-length:")[2].split()[0])


def told(answer: Any) -> Any:
    """Return what is compared of an answer: scores by label, or a text."""
    found = answer["answers"][0] if "answers" in answer else answer
    return found["text"] if "text" in found else found["scores"]


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    import numpy as np

    return round(float(np.percentile(seconds, share)) * 1000, 2)


def saved_writer(spec: Spec, folder: Path) -> str:
    """Save SmolLM2, or a random T5, as a run does; return the folder."""
    import polars as pl

    from burnish.training.golden import Golden
    from burnish.training.modelfolder import Answerer, save_model_folder
    from burnish.training.models import load_model
    from burnish.training.sources import resolve

    made = folder / "base"
    made.mkdir()
    spec = spec | {"model": model_folder(spec["task"], made)}
    given = recipe(spec, task={"generation": {"max_new_tokens": spec["max_new_tokens"]}})
    source = resolve(spec["model"])
    task, tokenizer, _ = own_parts(rows(spec), given, source)
    meta = {"name": spec["task"], "base_model": spec["model"], "method": "full", "scores": []}
    save_model_folder(folder / "model", load_model(source, task), tokenizer, task, meta=meta)
    asked = pl.DataFrame({"text": [text for text, _ in rows(spec)[0][:GOLDEN]]})
    asked = asked.with_row_index("id").cast({"id": pl.String})
    judged = Answerer.open(folder / "model").answer_rows(asked)
    golden = Golden.choose(asked, judged, count=None, asked="texts", split="rows", exact=True)
    golden.write(folder / "model")
    return str(folder / "model")


def differing(answers: Sequence[Any], others: Sequence[Any]) -> Figures:
    """Return how answers differ: texts that are others, or probabilities and likeliest labels."""
    pairs = list(zip(answers, others, strict=True))
    if isinstance(answers[0], str):
        return {"differing_texts": sum(a != b for a, b in pairs)}
    return {
        "differing_labels": sum(max(a, key=a.get) != max(b, key=b.get) for a, b in pairs),
        "largest_score_difference": round(
            max(abs(a[name] - b[name]) for a, b in pairs for name in a), 4
        ),
    }


def race(given: argparse.Namespace, folder: Path) -> Figures:
    """Return the figures of every contestant, and the ratios to the plain endpoint."""
    from burnish.training.processor import cores

    os.environ |= environment(given.allocator)
    spec: Spec = {
        "task": given.task,
        "data": given.data,
        "rows": given.rows,
        "held_out": 0,
        "max_new_tokens": given.max_new_tokens,
        "clients": given.clients,
    }
    if given.task == "classifier":
        from burnish.data.starter import clauses

        assert given.model, "name a run folder of a classifier with --model"
        spec |= {"model": given.model, "texts": clauses("test")["text"].to_list()[: given.rows]}
    else:
        texts = [text for text, _ in rows(spec)[0]]
        spec |= {"model": given.model or saved_writer(spec, folder), "texts": texts}
    names = given.only or CONTESTANTS[given.task]
    refused: Figures = {}
    with ExitStack() as servers:
        every = []
        for who in names:
            try:
                running = servers.enter_context(serving(spec | {"who": who}))
            except RefusedError as problem:
                # A model that does not prove itself in a precision is not served in it. Without
                # the first there is nothing to compare with.
                if who == names[0] or who not in ("burnish-bf16", "burnish-int8"):
                    raise
                refused[who] = str(problem)
            else:
                every.append(Contestant(who, running, spec))
        for _ in range(given.rounds):
            for one in every:
                one.measure(given.requests // given.rounds, given.alone)
    return {
        "benchmark": "serve",
        "task": given.task,
        "clients": given.clients,
        "requests": given.requests,
        "texts": len(spec["texts"]),
        **machine(given, cores()),
        "servers": {one.who: one.figures(every[0]) for one in every},
        "refused": refused,
    }


def options() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = command_line(__doc__)
    parser.add_argument("--task", choices=list(CONTESTANTS), default="classifier")
    parser.add_argument("--model", help="run or model folder; models that write: made if absent")
    parser.add_argument("--data", help="JSON list or JSON Lines of question and reply; causal only")
    parser.add_argument("--rows", type=int, default=100, help="different texts")
    parser.add_argument("--alone", type=int, default=40, help="asked by one client, a round")
    parser.add_argument("--requests", type=int, default=2000, help="of all rounds together")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--max-new-tokens", type=int, default=32)
    parser.add_argument("--only", nargs="*", help="contestants; the first is compared with")
    return parser


if __name__ == "__main__":
    main(options(), race=race)
