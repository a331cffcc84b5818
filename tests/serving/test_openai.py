"""OpenAI's own client talks to the server as to any other."""

import base64
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import torch

from burnish.serving.keys import KeyRing, new_key
from burnish.training.modelfolder import Answerer

from .conftest import HARDWARE, Running, Start

TURNS: Any = [{"role": "user", "content": "the cat sat on the mat"}]


@pytest.fixture(scope="module")
def client(all_served: Running) -> Any:
    with openai.OpenAI(base_url=f"{all_served.url}/v1", api_key="none", max_retries=0) as made:
        yield made


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [one.id for one in client.models.list()] == [
        "colours", "words", "chat", "plain", "short"
    ]  # fmt: skip
    assert client.models.retrieve("chat").owned_by == "burnish"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.models.retrieve("gpt-4")
    assert unknown.value.code == "model_not_found"


@pytest.mark.parametrize("model", ["chat", "short"])
def test_a_conversation_is_answered_as_evaluated(
    model: str, client: openai.OpenAI, folders: dict[str, Path]
) -> None:
    found = client.chat.completions.create(model=model, messages=TURNS)

    expected = Answerer.open(folders[model], hardware=HARDWARE).answer([TURNS[0]["content"]])[0]
    assert found.choices[0].message.content == expected.answer[0]
    finish = "stop" if expected.scores["complete"] else "length"
    assert found.choices[0].finish_reason == finish
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens
    assert 0 < found.usage.completion_tokens <= 12


@pytest.mark.parametrize("model", ["chat", "short"])
@pytest.mark.parametrize("settings", [{}, {"temperature": 1.5, "seed": 3, "top_p": 0.9}])
def test_a_stream_gives_the_same_text_in_pieces(
    model: str, settings: dict[str, Any], client: openai.OpenAI
) -> None:
    asked = {"model": model, "messages": TURNS, "max_tokens": 40} | settings
    whole = client.chat.completions.create(**asked)
    stream = list(
        client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    )

    pieces = [one.choices[0].delta.content or "" for one in stream if one.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert len([one for one in pieces if one]) > 3
    assert stream[0].choices[0].delta.role == "assistant"
    assert stream[-2].choices[0].finish_reason == whole.choices[0].finish_reason
    assert stream[-1].usage == whole.usage
    assert {one.id for one in stream} == {stream[0].id}


def test_a_stream_ends_in_done_and_comes_piece_by_piece(all_served: Running) -> None:
    body = {"model": "chat", "messages": TURNS, "stream": True, "max_tokens": 60}
    with all_served.client.stream("POST", "/v1/chat/completions", json=body) as response:
        chunks = list(response.iter_raw())

    assert response.headers["content-type"].startswith("text/event-stream")
    assert b"".join(chunks).endswith(b"data: [DONE]\n\n")
    assert len(chunks) > 3


def test_a_seed_repeats_a_drawn_text_and_others_give_others(client: openai.OpenAI) -> None:
    def drawn(seed: int | None) -> str | None:
        found = client.chat.completions.create(
            model="chat", messages=TURNS, temperature=1, seed=seed, max_tokens=20
        )
        return found.choices[0].message.content

    texts = {drawn(seed) for seed in range(6)}

    assert drawn(1) == drawn(1)
    assert len(texts) > 3
    assert drawn(None) != drawn(None)


@pytest.mark.parametrize("top_p", [1e-6, 0])
def test_top_p_draws_from_the_likeliest_tokens_alone(top_p: float, client: openai.OpenAI) -> None:
    asked: Any = {"model": "chat", "messages": TURNS, "max_tokens": 10}

    greedy = client.chat.completions.create(**asked)
    narrow = client.chat.completions.create(**asked, temperature=1, top_p=top_p)

    assert narrow.choices[0].message.content == greedy.choices[0].message.content


def test_a_completion_goes_on_from_the_text_itself(
    client: openai.OpenAI, folders: dict[str, Path]
) -> None:
    opened = Answerer.open(folders["plain"], hardware=HARDWARE)
    ids = torch.tensor([opened.tokenizer("the cat")["input_ids"]])
    written = opened.model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1] :]

    found = client.completions.create(model="plain", prompt=["the cat", "on the mat"])
    as_tokens = client.completions.create(model="plain", prompt=ids[0].tolist())

    expected = opened.tokenizer.decode(written, skip_special_tokens=True)
    assert [one.index for one in found.choices] == [0, 1]
    assert found.choices[0].text == expected == as_tokens.choices[0].text


@pytest.mark.parametrize("count", [0, 3])
def test_the_odds_of_prompt_and_answer_are_those_of_the_model(
    count: int, client: openai.OpenAI, folders: dict[str, Path]
) -> None:
    opened = Answerer.open(folders["plain"], hardware=HARDWARE)
    prompt = "the cat sat"

    found = client.completions.create(
        model="plain", prompt=prompt, max_tokens=4, logprobs=count, echo=True
    ).choices[0]

    told = found.logprobs
    assert told is not None
    assert found.text.startswith(prompt)
    assert told.tokens is not None
    assert told.token_logprobs is not None
    assert told.top_logprobs is not None
    ids = opened.tokenizer(prompt)["input_ids"]
    written = opened.model.generate(torch.tensor([ids]), max_new_tokens=4, do_sample=False)
    with torch.inference_mode():
        logprobs = opened.model(written).logits[0].log_softmax(-1)
    expected = logprobs[:-1].gather(1, written[0, 1:, None])[:, 0].tolist()
    assert told.token_logprobs[0] is None
    assert told.token_logprobs[1:] == pytest.approx(expected, abs=1e-4)
    best = logprobs[:-1].max(-1).values.tolist()
    tops = [max((one or {}).values()) for one in told.top_logprobs[1:]]
    assert tops == pytest.approx(best if count else expected, abs=1e-4)
    assert all(1 <= len(one or {}) <= count + 1 for one in told.top_logprobs[1:])
    assert told.text_offset is not None
    assert told.text_offset[: len(ids) + 1] == [0, 3, 7, 11]
    assert told.text_offset == sorted(told.text_offset)


def test_offsets_are_those_of_the_text_where_characters_are_made_of_several_tokens(
    client: openai.OpenAI, folders: dict[str, Path]
) -> None:
    tokenizer = Answerer.open(folders["plain"], hardware=HARDWARE).tokenizer
    prompt = "äöü 🦙 ñ cat"
    asked: Any = {"model": "plain", "max_tokens": 0, "logprobs": 0, "echo": True}
    ids = tokenizer(prompt)["input_ids"]

    for given in (prompt, ids):
        choice = client.completions.create(**asked, prompt=given).choices[0]
        told = choice.logprobs
        assert told is not None
        assert told.text_offset is not None
        assert choice.text == prompt
        assert len(told.text_offset) == len(ids) > len(prompt.split())
        assert prompt.index("ñ") in told.text_offset
        assert prompt[told.text_offset[-1] :] == tokenizer.decode(ids[-1:])


def test_offsets_do_not_leave_a_text_that_a_stop_text_cut_short(client: openai.OpenAI) -> None:
    asked: Any = {"model": "plain", "prompt": "the cat sat", "max_tokens": 12, "logprobs": 0}
    whole = client.completions.create(**asked).choices[0].text

    choice = client.completions.create(**asked, stop=whole[4:7]).choices[0]

    assert choice.logprobs is not None
    assert choice.logprobs.text_offset is not None
    assert max(choice.logprobs.text_offset) <= len(choice.text)


def test_a_prompt_is_weighed_without_an_answer(client: openai.OpenAI) -> None:
    asked: Any = {"model": "plain", "prompt": "the cat", "logprobs": 1, "echo": True}

    found = client.completions.create(**asked, max_tokens=0)

    assert found.choices[0].text == "the cat"
    assert found.usage is not None
    assert found.usage.completion_tokens == 0
    assert len(found.choices[0].logprobs.tokens) == found.usage.prompt_tokens


@pytest.mark.parametrize(
    "asked",
    [
        {"echo": True, "stream": True},
        {"logprobs": 1, "stream": True},
        {"max_tokens": 0},
        {"logprobs": 21},
        {"model": "short", "echo": True},
    ],
)
def test_odds_that_cannot_be_told_are_refused(asked: dict[str, Any], client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.completions.create(**({"model": "plain", "prompt": "the cat"} | asked))


@pytest.mark.parametrize("stream", [True, False])
def test_a_stop_text_ends_the_answer_and_is_no_part_of_it(
    stream: bool, client: openai.OpenAI
) -> None:
    asked: Any = {"model": "plain", "prompt": "the cat sat", "max_tokens": 30}
    whole = client.completions.create(**asked).choices[0].text
    stop = whole[4:7]

    if stream:
        chunks = list(client.completions.create(**asked, stop=["nothing", stop], stream=True))
        text = "".join(one.choices[0].text for one in chunks)
        finish = chunks[-1].choices[0].finish_reason
    else:
        found = client.completions.create(**asked, stop=["nothing", stop]).choices[0]
        text, finish = found.text, found.finish_reason

    assert text == whole[: whole.index(stop)]
    assert finish == "stop"


def test_requests_with_settings_of_their_own_share_a_batch(all_served: Running) -> None:
    def ask(settings: dict[str, Any]) -> str:
        body = {"model": "chat", "messages": TURNS} | settings
        found = all_served.client.post("/v1/chat/completions", json=body).json()
        return str(found["choices"][0]["message"]["content"])

    wanted = [
        {"max_tokens": 3}, {"temperature": 1, "seed": 1}, {}, {"max_tokens": 40},
        {"temperature": 0.7, "seed": 2, "top_p": 0.8}, {"messages": [TURNS[0] | {"content": "a"}]},
    ]  # fmt: skip
    alone = [ask(one) for one in wanted]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(ask, wanted * 2))

    assert together == alone * 2


def test_vectors_have_unit_length_and_are_means_of_the_tokens(
    client: openai.OpenAI, folders: dict[str, Path]
) -> None:
    texts = ["word1 word2", "word3", "word4 word5 word6"]
    opened = Answerer.open(folders["colours"], hardware=HARDWARE)

    found = client.embeddings.create(model="colours", input=texts)  # the client asks for base64
    plain = client.embeddings.create(model="colours", input=texts, encoding_format="float")

    for text, one, other in zip(texts, found.data, plain.data, strict=True):
        ids = torch.tensor([opened.tokenizer(text)["input_ids"]])
        mean = opened.model.base_model(input_ids=ids).last_hidden_state[0].mean(dim=0)
        expected = (mean / mean.norm()).detach().numpy()
        np.testing.assert_allclose(one.embedding, expected, atol=1e-5)
        np.testing.assert_allclose(other.embedding, expected, atol=1e-5)
    assert found.usage.prompt_tokens == sum(len(text.split()) + 2 for text in texts)


def test_base64_is_of_float32(all_served: Running) -> None:
    body = {"model": "words", "input": "word1", "encoding_format": "base64"}
    found = all_served.client.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]

    vector = np.frombuffer(base64.b64decode(found), "<f4")
    assert vector.shape == (32,)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


REFUSED: dict[str, dict[str, Any]] = {
    "several answers": {"n": 2},
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
    "probabilities": {"logprobs": True},
    "an object": {"response_format": {"type": "json_object"}},
    "a picture": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
    "a penalty": {"frequency_penalty": 0.5},
    "an unknown field": {"extra_body": {"topk": 3}},
    "too hot": {"temperature": 3},
    "nothing": {"messages": []},
    "no tokens": {"max_tokens": 0},
    "too many tokens": {"max_tokens": 400},
    "a model that does not write": {"model": "colours"},
    "a model without conversations": {"model": "plain"},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_done_is_refused_as_openai_refuses(name: str, client: openai.OpenAI) -> None:
    asked: Any = {"model": "chat", "messages": TURNS} | REFUSED[name]
    for stream in (False, True):
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(**asked, stream=stream)

    assert refused.value.type == "invalid_request_error"
    if name == "too many tokens":
        assert refused.value.code == "context_length_exceeded"


@pytest.mark.parametrize("path", ["chat/completions", "completions", "embeddings"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[" * 100_000, 400), (b'{"model": "\xff"}', 400),
     (b'{"model": "chat", "messages": [{"role": "user", "content": "\\ud800"}]}', 400)],
)  # fmt: skip
def test_a_bad_body_is_told_in_the_form_of_openai(
    path: str, body: bytes, status: int, all_served: Running
) -> None:
    response = all_served.client.post(
        f"/v1/{path}", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}


def test_fields_that_ask_for_nothing_are_taken(client: openai.OpenAI) -> None:
    found = client.chat.completions.create(
        model="chat",
        messages=[
            {"role": "developer", "content": "be short"},
            {"role": "user", "content": [{"type": "text", "text": one} for one in ("the", "cat")]},
        ],
        n=1,
        user="me",
        frequency_penalty=0,
        tool_choice="none",
        response_format={"type": "text"},
        max_completion_tokens=5,
    )  # fmt: skip

    assert found.usage is not None
    assert found.usage.completion_tokens <= 5


def test_a_key_is_sent_as_the_client_sends_it(start: Start, find: Any, tmp_path: Path) -> None:
    key, line = new_key("alice")
    (tmp_path / "keys").write_text(line, "utf-8")
    with start(find("chat"), KeyRing.read(tmp_path / "keys")) as running:
        base = f"{running.url}/v1"
        with openai.OpenAI(base_url=base, api_key=key, max_retries=0) as right:
            assert right.models.list().data[0].id == "chat"
        with (
            openai.OpenAI(base_url=base, api_key="bk-no", max_retries=0) as wrong,
            pytest.raises(openai.AuthenticationError),
        ):
            wrong.models.list()


def test_the_model_stops_writing_for_a_client_that_left(all_served: Running) -> None:
    body = {"model": "plain", "prompt": "the", "max_tokens": 200, "stream": True, "temperature": 2}
    seconds = []
    for leaves in (False, True):
        begun = time.perf_counter()
        with all_served.client.stream("POST", "/v1/completions", json=body) as response:
            for _ in response.iter_lines():
                if leaves:
                    break
        _settled(all_served)
        seconds.append(time.perf_counter() - begun)

    assert seconds[1] < 0.7 * seconds[0]


def _settled(running: Running) -> None:
    served = running.models.served["plain"].scheduler
    done = threading.Event()
    while running.lifecycle.at_work or served._working:
        done.wait(0.002)
