"""A server under load, or about to stop, answers every request one way or another."""

import asyncio
import json
import logging
import re
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from burnish.errors import ServerError
from burnish.records import LabelSpace, Prediction
from burnish.serving.address import open_socket
from burnish.serving.engine import Answered, Facts, Read
from burnish.serving.keys import KeyRing, new_key
from burnish.serving.logs import NAME
from burnish.serving.models import Candidate

from .conftest import Running, Start

SPACE = LabelSpace(names=("yes", "no"), multi_label=False)


class Slow:
    """An engine that takes its time: until it is let, or so many seconds a batch."""

    batch_tokens = 4
    workers = 1
    rounding = None

    def __init__(
        self,
        *,
        seconds: float = 0.0,
        reading_s: float = 0.0,
        version: str = "1",
        shut: bool = False,
    ) -> None:
        self.facts = Facts(
            name="slow", reference="-", version=version, kind="text-classification", space=SPACE,
            max_tokens=8, precision="fp32", device="cpu", too_long="cut",
        )  # fmt: skip
        self.seconds, self.reading_s = seconds, reading_s
        self.read_at: list[float] = []
        self.computed: list[str] = []
        self.begun, self.open = threading.Event(), threading.Event()
        if not shut:
            self.open.set()

    def read(self, asked: Sequence[Any]) -> list[Read]:
        self.read_at.append(time.perf_counter())
        time.sleep(self.reading_s)
        return [Read(asked=one, rows=None, tokens=1, cut_tokens=0, cost=1) for one in asked]

    def answer(self, reads: Sequence[Read]) -> list[Any]:
        self.begun.set()
        self.open.wait(timeout=20)
        time.sleep(self.seconds)
        self.computed += [read.asked.text for read in reads]
        told = Prediction(example_id="", answer=("yes",), reference=None, scores={"yes": 1.0})
        return [Answered(prediction=told, tokens=1, cut_tokens=0) for _ in reads]

    def warm(self) -> None:
        pass

    def close(self) -> None:
        pass


def slow_server(start: Start, engine: Slow, keys: KeyRing | None = None, **limits: Any) -> Any:
    return start({"slow": None}, keys, {"slow": engine}, **limits)


def ask(url: str, text: str = "a", **headers: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/predict", json={"input": text}, headers=headers, timeout=30)


def kept_busy(
    running: Running, engine: Slow, pool: ThreadPoolExecutor, count: int
) -> list[Future[httpx.Response]]:
    """Send requests that a shut engine keeps at work; return when all of them are."""
    sent = [pool.submit(ask, running.url, str(n)) for n in range(count)]
    assert engine.begun.wait(10)
    while running.lifecycle.at_work < count:
        time.sleep(0.005)
    return sent


def series(running: Running, name: str) -> float:
    page = running.client.get("/metrics").text
    found = re.findall(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[0]) if found else 0.0


def test_over_capacity_every_request_is_answered_or_refused_at_once(start: Start) -> None:
    engine = Slow(seconds=0.05)
    with slow_server(start, engine, max_queue=8) as running, ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda n: ask(running.url, str(n)), range(40)))

    counts = Counter(one.status_code for one in found)
    assert set(counts) <= {200, 503}
    assert counts[200] == len(engine.computed) >= 9
    assert counts[503] > 0
    refused = [one for one in found if one.status_code == 503]
    assert all(int(one.headers["retry-after"]) >= 1 for one in refused)
    assert {one.json()["error"]["code"] for one in refused} == {"BN704"}


def test_a_refusal_does_not_wait_for_the_model(start: Start) -> None:
    engine = Slow(shut=True)
    with slow_server(start, engine, max_queue=1) as running, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, running.url)]
        assert engine.begun.wait(10)
        waiting.append(pool.submit(ask, running.url))
        while running.models.served["slow"].scheduler.queued < 1:
            time.sleep(0.005)
        begun = time.perf_counter()
        assert ask(running.url).status_code == 503
        assert time.perf_counter() - begun < 2
        engine.open.set()
        assert [one.result().status_code for one in waiting] == [200, 200]


def test_a_refusal_does_not_wait_until_those_who_are_let_in_are_read(start: Start) -> None:
    engine = Slow(reading_s=0.05, shut=True)
    with slow_server(start, engine, max_queue=12) as running, ExitStack() as opened:
        address = "127.0.0.1", int(running.url.rpartition(":")[2])
        clients = [
            opened.enter_context(socket.create_connection(address, timeout=30)) for _ in range(40)
        ]
        for client in clients:
            client.sendall(_raw_request(b'{"input": "a"}'))
        while len(engine.read_at) < 12:  # those that are let in: a queue's worth at least
            time.sleep(0.005)
        refused, _, _ = select.select(clients, [], [], 0)
        assert {client.recv(4096).split()[1] for client in refused} == {b"503"}
        engine.open.set()
        let_in = [client for client in clients if client not in refused]
        assert {client.recv(4096).split()[1] for client in let_in} == {b"200"}

    assert len(let_in) == len(engine.read_at) < 20


def test_who_cannot_have_room_is_told_before_the_body_is_read(start: Start) -> None:
    engine = Slow(shut=True)
    with slow_server(start, engine, max_queue=1) as running, ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(ask, running.url)]
        assert engine.begun.wait(10)
        waiting.append(pool.submit(ask, running.url))
        while running.models.served["slow"].scheduler.queued < 1:
            time.sleep(0.005)
        address = "127.0.0.1", int(running.url.rpartition(":")[2])
        with socket.create_connection(address, timeout=10) as late:
            late.sendall(_raw_request(b'{"input": "a"}')[:-3])  # the rest never comes
            assert b"503" in late.recv(100)
        engine.open.set()
        assert [one.result().status_code for one in waiting] == [200, 200]


def test_a_deadline_ends_in_504_and_what_waited_is_not_computed(start: Start) -> None:
    engine = Slow(shut=True)
    with slow_server(start, engine, deadline_s=1.5) as running, ThreadPoolExecutor(2) as pool:
        first = pool.submit(ask, running.url, "first")
        assert engine.begun.wait(10)
        second = ask(running.url, "second")
        assert (first.result().status_code, second.status_code) == (504, 504)
        assert second.json()["error"]["code"] == "BN706"
        engine.open.set()
        assert ask(running.url, "third").status_code == 200

    assert engine.computed == ["first", "third"]


def test_a_deadline_holds_for_texts_that_are_read_too(start: Start) -> None:
    engine = Slow(shut=True)
    read, read_texts = engine.read, list[int]()

    def slowly(asked: Sequence[Any]) -> list[Read]:
        engine.open.wait(timeout=20)
        read_texts.append(len(asked[0].text))
        return read(asked)

    engine.read = slowly  # type: ignore[method-assign]
    with slow_server(start, engine, deadline_s=0.5) as running, ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(ask, running.url, "a" * (20_000 + at)) for at in range(2)]
        assert [one.result(10).status_code for one in sent] == [504, 504]
        assert series(running, 'burnish_inputs_total{model="slow",outcome="expired"}') == 2
        engine.open.set()

    assert len(read_texts) == 1  # the other waited for it, and left


def test_what_a_client_left_behind_is_not_computed(start: Start) -> None:
    engine = Slow(shut=True)
    with slow_server(start, engine, max_queue=200) as running, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, running.url, "first")
        assert engine.begun.wait(10)
        address = socket.gethostbyname("localhost"), int(running.url.rpartition(":")[2])
        leavers = [socket.create_connection(address) for _ in range(50)]
        for leaver in leavers:
            leaver.sendall(_raw_request(b'{"input": "left"}'))
        served = running.models.served["slow"]
        while served.scheduler.queued < 50:
            time.sleep(0.005)
        for leaver in leavers:
            leaver.close()
        while served.scheduler.queued:
            time.sleep(0.005)
        engine.open.set()
        assert first.result().status_code == 200
        assert ask(running.url, "last").status_code == 200
        while running.lifecycle.at_work:
            time.sleep(0.005)
        name = 'burnish_inputs_total{model="slow",outcome="cancelled"}'
        assert series(running, name) == 50
        assert (
            series(running, 'burnish_http_responses_total{path="/v1/predict",status="499"}') == 50
        )

    assert engine.computed == ["first", "last"]


def _raw_request(body: bytes) -> bytes:
    head = (
        b"POST /v1/predict HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n" % len(body)
    )
    return head + body


def test_a_body_over_the_limit_is_refused_while_it_is_read(start: Start) -> None:
    def endless() -> Any:
        yield b'{"input": "'
        for _ in range(64):
            yield b"a" * 4096

    with slow_server(start, Slow(), body_bytes=10_000) as running:
        told = running.client.post("/v1/predict", json={"input": "a" * 20_000})
        untold = running.client.post(
            "/v1/predict", content=endless(), headers={"content-type": "application/json"}
        )
        fitting = running.client.post("/v1/predict", json={"input": "a" * 9_900})

    assert [told.status_code, untold.status_code, fitting.status_code] == [413, 413, 200]
    assert untold.json()["error"]["code"] == "BN701"


def test_a_body_that_does_not_come_ends_in_408(start: Start) -> None:
    with slow_server(start, Slow(), deadline_s=0.2) as running:
        address = "127.0.0.1", int(running.url.rpartition(":")[2])
        with socket.create_connection(address, timeout=10) as slow:
            slow.sendall(_raw_request(b'{"input": "a"}')[:-3])
            assert b"408" in slow.recv(100)


def test_a_key_is_asked_for_but_not_by_probes(start: Start, tmp_path: Path) -> None:
    key, line = new_key("alice")
    (tmp_path / "keys").write_text(f"{line} rate=0.01 burst=2\n", "utf-8")
    keys = KeyRing.read(tmp_path / "keys")
    with slow_server(start, Slow(), keys) as running:
        statuses = [
            running.client.get(path).status_code
            for path in ("/healthz", "/readyz", "/metrics", "/health", "/openapi.json", "/v1/info")
        ]
        without = ask(running.url)
        wrong = ask(running.url, authorization="Bearer bk-wrong")
        right = ask(running.url, authorization=f"Bearer {key}")
        as_header = ask(running.url, **{"x-api-key": key})
        too_often = ask(running.url, authorization=f"bearer {key}")

    assert statuses == [200, 200, 200, 200, 200, 401]
    assert [one.status_code for one in (without, wrong, right, as_header)] == [401, 401, 200, 200]
    assert without.headers["www-authenticate"] == "Bearer"
    assert too_often.status_code == 429
    assert int(too_often.headers["retry-after"]) > 1


def test_head_is_answered_as_get_without_its_body(start: Start, tmp_path: Path) -> None:
    key, line = new_key("alice")
    (tmp_path / "keys").write_text(f"{line}\n", "utf-8")
    paths = (
        "/healthz", "/readyz", "/metrics", "/ping", "/version", "/v1/models", "/v1/models/slow",
        "/v1/info", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/slow",
        "/openapi.json",
    )  # fmt: skip
    with slow_server(start, Slow(), KeyRing.read(tmp_path / "keys")) as running:
        asked = {"authorization": f"Bearer {key}"}
        pairs = [
            (running.client.head(path, headers=asked), running.client.get(path, headers=asked))
            for path in paths
        ]
        without_key = running.client.head("/v1/info")
        of_post = running.client.head("/v1/predict", headers=asked)
        post_of_get = running.client.post("/v1/info", headers=asked)
        unknown = running.client.head("/v1/models/none", headers=asked)
        counted = running.client.get("/metrics").text
        described = running.client.get("/openapi.json").json()["paths"]

    for head, get in pairs:
        assert (head.status_code, head.content) == (get.status_code, b""), get.url
        assert head.headers["content-type"] == get.headers["content-type"]
        assert head.headers["content-length"] == str(len(get.content)) or "/metrics" in str(get.url)
    statuses = [one.status_code for one in (without_key, of_post, post_of_get, unknown)]
    assert statuses == [401, 405, 405, 404]
    assert (of_post.headers["allow"], post_of_get.headers["allow"]) == ("POST", "GET, HEAD")
    assert 'path="/v1/models/{model}",status="404"' in counted
    assert not any("head" in operations for operations in described.values())


def test_pages_from_elsewhere_may_ask_only_where_that_is_allowed(start: Start) -> None:
    asks = {"origin": "https://shop.example", "access-control-request-method": "POST"}
    with slow_server(start, Slow()) as running:
        closed = running.client.options("/v1/predict", headers=asks)
    with slow_server(start, Slow(), origins=("https://shop.example",)) as running:
        open_ = running.client.options("/v1/predict", headers=asks)
        other = running.client.options("/v1/predict", headers=asks | {"origin": "https://a.b"})
        # As OpenAI's client for JavaScript asks.
        named = {"access-control-request-headers": "authorization,content-type,x-stainless-lang"}
        with_headers = running.client.options("/v1/chat/completions", headers=asks | named)

    allowed = "access-control-allow-origin"
    assert with_headers.status_code == 200
    assert "x-stainless-lang" in with_headers.headers["access-control-allow-headers"]
    assert allowed not in closed.headers
    assert open_.headers[allowed] == "https://shop.example"
    assert allowed not in other.headers


def test_the_log_tells_each_request_and_no_text_unless_asked(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, NAME), slow_server(start, Slow()) as running:
        answered = ask(running.url, "a secret", **{"x-request-id": "mine-1"})
    quiet = [vars(one)["told"] for one in caplog.records if one.message == "request"]
    caplog.clear()
    with caplog.at_level(logging.INFO, NAME), slow_server(start, Slow(), log_text=True) as running:
        ask(running.url, "a secret")
    open_ = [vars(one)["told"] for one in caplog.records if one.message == "request"]

    assert answered.headers["x-request-id"] == "mine-1"
    assert (quiet[0]["id"], quiet[0]["status"], quiet[0]["model"]) == ("mine-1", 200, "slow")
    assert "secret" not in json.dumps(quiet)
    assert open_[0]["input"] == "a secret"


def test_draining_turns_readyz_answers_what_is_at_work_and_refuses_the_rest(start: Start) -> None:
    engine = Slow(shut=True)
    with slow_server(start, engine) as running, ThreadPoolExecutor(12) as pool:
        at_work = kept_busy(running, engine, pool, 10)
        running.server.handle_exit(15, None)
        while not running.lifecycle.refusing:
            time.sleep(0.005)
        assert running.client.get("/readyz").status_code == 503
        ready = running.client.get("/v2/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"live": True, "ready": False})
        assert running.client.get("/healthz").status_code == 200
        late = ask(running.url)
        assert (late.status_code, late.headers["retry-after"]) == (503, "1")
        engine.open.set()
        assert {one.result().status_code for one in at_work} == {200}


def test_a_second_signal_gives_up_what_is_at_work_and_logs_no_failure(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Slow(shut=True)
    with slow_server(start, engine) as running, ThreadPoolExecutor(6) as pool:
        at_work = kept_busy(running, engine, pool, 5)
        for _ in range(3):
            running.server.handle_exit(15, None)
        told = [one.result(timeout=10) for one in at_work]
    engine.open.set()

    assert {(one.status_code, one.headers["retry-after"]) for one in told} == {(503, "1")}
    assert {one.json()["error"]["code"] for one in told} == {"BN704"}
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_a_slash_at_the_end_of_a_path_is_no_redirect_past_a_proxy(start: Start) -> None:
    with slow_server(start, Slow(), root_path="/tools/slow") as running:
        found = running.client.post("/v1/predict/", json={"input": "a"}, follow_redirects=False)
        listed = running.client.get("/v1/models/", follow_redirects=False)

    assert (found.status_code, listed.status_code) == (404, 404)
    assert "location" not in found.headers
    assert "/openapi.json" in found.json()["error"]["fix"]


def test_a_defect_is_told_in_the_usual_form_and_the_server_goes_on(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Slow):
        def answer(self, reads: Sequence[Read]) -> list[Any]:
            if reads[0].asked.text == "break":
                raise RuntimeError("a secret of the inside")
            return super().answer(reads)

    with slow_server(start, Broken()) as running:
        broken = ask(running.url, "break")
        again = ask(running.url)

    assert (broken.status_code, again.status_code) == (500, 200)
    assert "secret" not in broken.text
    assert set(broken.json()["error"]) == {"code", "message", "where", "fix"}
    assert broken.json()["error"]["code"] == "BN999"
    assert any(one.exc_info for one in caplog.records)


def test_a_response_does_not_wait_for_the_acknowledgement_of_its_headers(start: Start) -> None:
    with slow_server(start, Slow()) as running:
        seconds = []
        for _ in range(30):
            begun = time.perf_counter()
            assert running.client.get("/healthz").status_code == 200
            seconds.append(time.perf_counter() - begun)

    assert sorted(seconds)[5] < 0.03


def test_a_port_that_is_taken_is_told_before_a_model_is_loaded() -> None:
    with open_socket("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ServerError, match="cannot listen") as refused:
            open_socket("127.0.0.1", taken.getsockname()[1])

    assert "--port" in refused.value.fix


def test_a_loop_of_clients_and_swaps_has_no_failed_request_and_one_version_an_answer(
    start: Start,
) -> None:
    versions, before = iter(range(1, 1000)), _model_threads()

    def find() -> Candidate:
        version = str(next(versions))
        return Candidate(version, lambda: Slow(seconds=0.002, version=version))

    with start({"slow": find}) as running, ThreadPoolExecutor(8) as pool:
        going = threading.Event()

        found: list[tuple[int, str]] = []

        def ask_on() -> None:
            while not going.is_set():
                one = ask(running.url)
                found.append((one.status_code, one.json().get("version")))

        clients = [pool.submit(ask_on) for _ in range(6)]
        swapped = [_swap(running, found) for _ in range(20)]
        going.set()
        for client in clients:
            client.result()
        threads = _model_threads() - before

    assert all(swapped)
    assert {status for status, _ in found} == {200}
    assert {version for _, version in found} >= {str(number) for number in range(1, 21)}
    assert threads <= 2  # of what was replaced, none is left


def _model_threads() -> int:
    return sum("burnish-model" in one.name for one in threading.enumerate())


def _swap(running: Running, found: list[tuple[int, str]]) -> bool:
    """Swap once the version that is served now has answered."""
    now = running.models.served["slow"].facts.version
    while now not in {version for _, version in found}:
        time.sleep(0.005)
    loop = running.server._loop
    assert loop is not None
    return asyncio.run_coroutine_threadsafe(running.models.swap("slow"), loop).result(timeout=20)
