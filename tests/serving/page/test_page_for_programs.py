"""The page as programs see it: Gradio's own client, and what the door lets through."""

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from burnish.serving.keys import KeyRing, new_key
from burnish.serving.page import door
from burnish.serving.page.opening import why_off
from burnish.serving.settings import Settings

pytest.importorskip("gradio", reason="gradio is not installed")


@pytest.fixture(scope="module")
def client(page: Any) -> Iterator[Any]:
    from gradio_client import Client

    found = Client(f"{page.url}/page/", verbose=False, analytics_enabled=False)
    yield found
    found.close()


def test_each_task_answers_gradios_client_as_the_api_answers(page: Any, client: Any) -> None:
    def api(text: str, model: str, **more: Any) -> Any:
        asked = {"input": text, "model": model} | more
        return page.client.post("/v1/predict", json=asked).json()["answers"][0]

    found = client.predict("word1 word2", api_name="/classify")
    direct = api("word1 word2", "clauses")
    assert found["labels"] == direct["labels"]
    assert found["scores"] == pytest.approx(direct["scores"], abs=1e-6)
    filled = client.predict("word1 [MASK] [MASK]", 3, "words", api_name="/fill")
    assert [[one["word"] for one in mask] for mask in filled] == [
        [one["word"] for one in mask]
        for mask in api("word1 [MASK] [MASK]", "words", top_k=3)["fills"]
    ]
    assert client.predict("the cat", "short", api_name="/write") == api("the cat", "short")["text"]
    history = [{"role": "user", "content": "the"}, {"role": "assistant", "content": "cat"}]
    turns = [*history, {"role": "user", "content": "sat"}]
    replied = page.client.post(
        "/v1/chat/completions", json={"model": "chat", "messages": turns}
    ).json()["choices"][0]["message"]["content"]
    assert client.predict("sat", history, "chat", api_name="/chat") == replied
    assert isinstance(client.predict("the cat", 5, "plain", api_name="/go_on"), str)


def test_what_a_word_counts_is_what_leaving_it_out_takes_from_the_probability(
    page: Any, client: Any
) -> None:
    found = client.predict("word1 word2 word3", "red", api_name="/words")

    texts = ["word1 word2 word3", " word2 word3", "word1  word3", "word1 word2 "]
    answers = page.client.post("/v1/predict", json={"input": texts}).json()["answers"]
    whole, *rest = [one["scores"]["red"] for one in answers]
    assert [one["change"] for one in found["words"]] == pytest.approx(
        [whole - one for one in rest], abs=1e-5
    )
    assert [one["text"] for one in found["words"]] == ["word1", "word2", "word3"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("/classify", "  "), "empty"),
        (("/classify", "word1", "nobody"), "no model is called"),
        (("/classify", "word1", "short"), "gives no labels"),
        (("/words", "word1 word2", "", "words"), "gives no labels"),
        (("/fill", "word1", 3, "clauses"), "gives no words for masks"),
        (("/fill", "the cat", 3, "plain"), "gives no words for masks"),
        (("/write", "word1", "clauses"), "gives no written answers"),
        (("/write", "word1", "words"), "gives no written answers"),
        (("/write", "the cat", "plain"), "gives no written answers"),
        (("/chat", "word1", [], "clauses"), "does not write"),
        (("/go_on", "word1", 3, "clauses"), "does not write"),
        (("/words", "word1"), "at least two words"),
        (("/words", "word1 word2", "pink"), "no label 'pink'"),
        (("/words", "word1 word2", ["red"]), "the label is no text"),
        (("/classify", "word1", {"a": "model"}), "name of the model is no text"),
        (("/go_on", "word1", 3, ["plain"]), "name of the model is no text"),
        (("/fill", "[MASK]", 1000, "words"), "ask for 1 to"),
        (("/fill", "[MASK] " * 200, 3, "words"), "the model reads"),
        (("/chat", "hello", ["nonsense"], "chat"), "not a list of messages"),
    ],
)
def test_an_error_is_told_as_an_error_in_words(
    client: Any, asked: tuple[Any, ...], words: str
) -> None:
    from gradio_client.exceptions import AppError

    name, *given = asked
    with pytest.raises(AppError, match=words):
        client.predict(*given, api_name=name)


def test_a_question_of_the_page_is_counted_like_a_request(page: Any, client: Any) -> None:
    client.predict("word1", api_name="/classify")

    assert 'path="/page/ask",status="200"' in page.client.get("/metrics").text
    assert page.lifecycle.at_work == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/page/gradio_api/upload"),
        ("GET", "/page/gradio_api/file=/etc/passwd"),
        ("GET", "/page/gradio_api/proxy=https://example.com/"),
        ("POST", "/page/gradio_api/vibe-edit"),
        ("POST", "/page/login"),
        ("PUT", "/page/"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(page: Any, method: str, path: str) -> None:
    found = page.client.request(method, path)

    assert found.status_code == 404
    assert found.json()["error"]["code"] == "BN701"


def test_a_body_over_the_limit_is_refused_as_by_the_api(page: Any) -> None:
    found = page.client.post("/page/gradio_api/queue/join", content=b"x" * (1 << 20 | 1))

    assert found.status_code == 413


def test_bodies_that_do_not_come_are_few(
    start: Any, find: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_MOST_OPEN", 2)
    head = b"POST /page/gradio_api/queue/join HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n"
    with start(find("colours"), deadline_s=5) as running, ExitStack() as left:
        address = "127.0.0.1", int(running.url.rpartition(":")[2])
        sent = [left.enter_context(socket.create_connection(address, 3)) for _ in range(3)]
        for one in sent:
            one.sendall(head)
        answered = select.select(sent, [], [], 3)[0]
        assert [one.recv(12) for one in answered] == [b"HTTP/1.1 503"]


def test_there_is_no_page_with_keys_or_where_it_is_turned_off(start: Any, find: Any) -> None:
    _, line = new_key("shop")
    assert why_off(Settings(page=False), KeyRing()) == "off: --no-page"
    with start(find("colours"), page=False) as running:
        assert running.client.get("/page/").status_code == 404
    from burnish.serving.keys import Key

    ring = KeyRing((Key("shop", line.split()[1]),))
    with start(find("colours"), ring) as running:
        assert running.client.get("/page/").status_code == 401


def test_a_browser_is_sent_to_the_page_below_the_path_that_a_proxy_adds(
    start: Any, find: Any
) -> None:
    with start(find("colours"), root_path="/tools/colours") as running:
        home = running.client.get("/", follow_redirects=False)
        config = running.client.get("/page/config").json()

    assert home.headers["location"] == "/tools/colours/page/"
    assert httpx.URL(config["root"]).path == "/tools/colours/page"


def test_a_server_stops_at_once_though_the_page_is_open(start: Any, find: Any) -> None:
    with start(find("colours")) as running:
        running.client.get("/page/config")
        asked = running.client.build_request("GET", "/page/gradio_api/heartbeat/abc")
        held = running.client.send(asked, stream=True)
        pieces = held.iter_raw()
        next(pieces)
        begun = time.monotonic()
        running.server.should_exit = True
        assert not [piece for piece in pieces if b"ALIVE" not in piece]

    assert time.monotonic() - begun < 5
