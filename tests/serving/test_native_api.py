"""The native API answers as the evaluated model does, and every bad request is told why."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ValidationError

from burnish.serving import reading
from burnish.serving.inference import InferRequest
from burnish.serving.neighbours import Invocation
from burnish.serving.openai_requests import ChatRequest, CompletionRequest, EmbeddingRequest
from burnish.serving.schemas import PredictRequest
from burnish.training.modelfolder import Answerer

from .conftest import HARDWARE, Running

TEXTS = ["word1 word2 word3", "word9", "word4 word5 " * 9, "Unknown words, here"]


def predict(running: Running, **body: Any) -> httpx.Response:
    return running.client.post("/v1/predict", json=body)


@pytest.fixture(scope="module")
def answerers(folders: dict[str, Path]) -> Callable[[str], Answerer]:
    def opened(name: str) -> Answerer:
        return Answerer.open(folders[name], hardware=HARDWARE)

    return opened


def test_labels_and_scores_are_those_of_the_model(
    all_served: Running, answerers: Callable[[str], Answerer]
) -> None:
    found = predict(all_served, input=TEXTS).json()

    expected = answerers("colours").answer(TEXTS)
    assert found["task"] == "text-classification"
    assert found["thresholds"] == {"red": 0.5, "green": 0.4, "blue": 0.6}
    for answer, one in zip(found["answers"], expected, strict=True):
        assert tuple(answer["labels"]) == one.answer
        assert answer["scores"] == pytest.approx(one.scores, abs=1e-6)
    assert [one["cut_tokens"] > 0 for one in found["answers"]] == [False, False, True, False]


@pytest.mark.parametrize("name", ["chat", "short"])
def test_a_model_that_writes_writes_what_it_wrote_before(
    name: str, all_served: Running, answerers: Callable[[str], Answerer]
) -> None:
    texts = ["the cat", "mat? äöü", "sat on the mat " * 12]

    found = predict(all_served, input=texts, model=name).json()

    expected = answerers(name).answer(texts)
    assert [one["text"] for one in found["answers"]] == [one.answer[0] for one in expected]
    assert [one["complete"] for one in found["answers"]] == [
        bool(one.scores["complete"]) for one in expected
    ]
    assert found["answers"][2]["cut_tokens"] > 0


def test_masks_are_filled_and_plain_texts_weighed(
    all_served: Running, answerers: Callable[[str], Answerer]
) -> None:
    texts = ["word1 [MASK] word2 [MASK]", "word3 word4 word5"]

    found = predict(all_served, input=texts, model="words", top_k=3).json()["answers"]

    filled, weighed = answerers("words").answer(texts)
    assert [len(mask) for mask in found[0]["fills"]] == [3, 3]
    for mask, expected in zip(found[0]["fills"], filled.fills, strict=True):
        assert [one["word"] for one in mask] == [one.token_str for one in expected[:3]]
    assert found[1]["log_likelihood"] == pytest.approx(weighed.scores["log_likelihood"], abs=1e-4)
    assert found[1]["scored_tokens"] == 3


def test_of_more_words_than_the_vocabulary_has_all_are_told(all_served: Running) -> None:
    found = predict(all_served, input="word1 [MASK]", model="words", top_k=100).json()

    (told,) = found["answers"][0]["fills"]
    assert len(told) == 45
    assert sum(one["score"] for one in told) == pytest.approx(1, abs=1e-5)


def test_more_text_than_masks_are_worth_is_not_told(
    all_served: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "word1 " + "[MASK] " * 40
    monkeypatch.setattr(reading, "MOST_FILLED", 40 * 3 * len(text))

    told = predict(all_served, input=text, model="words", top_k=3)
    refused = predict(all_served, input=text, model="words", top_k=4)

    assert told.status_code == 200
    assert len(told.json()["answers"][0]["fills"]) == 40
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "BN701")
    assert "160 words for 40 masks" in refused.json()["error"]["message"]


def test_a_plain_text_of_a_decoder_is_weighed(
    all_served: Running, answerers: Callable[[str], Answerer]
) -> None:
    text = "the cat sat on the mat " * 8

    found = predict(all_served, input=text, model="plain").json()["answers"][0]

    expected = answerers("plain").answer([text])[0].scores
    assert found["log_likelihood"] == pytest.approx(expected["log_likelihood"], abs=1e-3)
    assert found["scored_tokens"] == expected["tokens"]
    assert found["cut_tokens"] == 0


def test_a_conversation_is_an_input(all_served: Running) -> None:
    turns = [{"role": "user", "content": "the cat"}]

    alone = predict(all_served, input=[turns], model="chat").json()
    as_text = predict(all_served, input="the cat", model="chat").json()

    assert alone["answers"] == as_text["answers"]


def test_what_is_served_is_told(all_served: Running) -> None:
    info = all_served.client.get("/v1/info").json()

    names = ["colours", "words", "chat", "plain", "short"]
    assert [one["name"] for one in info["models"]] == names
    first = info["models"][0]
    assert first["labels"] == ["red", "green", "blue"]
    assert (first["max_tokens"], first["too_long"]) == (16, "cut")
    version = predict(all_served, input="word1").json()["version"]
    assert version == first["version"]


BAD: dict[str, tuple[int, bytes]] = {
    "no body": (422, b""),
    "cut short": (400, b'{"input": '),
    "no object": (422, b"[1]"),
    "not utf-8": (400, b'{"input": "\xff"}'),
    "nested": (400, b"[" * 100_000),
    "nested and closed": (422, b"[" * 500 + b"]" * 500),
    "half a character": (422, b'{"input": "\\ud800"}'),
    "half a character in a list": (422, b'{"input": ["a", "b\\udfff"]}'),
    "half a character as a key": (422, b'{"input": "a", "\\ud800": 1}'),
    "half a character as a model": (404, b'{"input": "a", "model": "\\ud800"}'),
    "a number": (422, b'{"input": 3}'),
    "null": (422, b'{"input": null}'),
    "nothing": (422, b'{"input": []}'),
    "blank": (422, b'{"input": " \\n"}'),
    "NaN": (422, b'{"input": "a", "top_k": NaN}'),
    "infinity": (422, b'{"input": "a", "top_k": 1e999}'),
    "a huge number": (422, b'{"input": "a", "top_k": ' + b"9" * 400 + b"}"),
    "a number of too many digits": (400, b'{"input": "a", "top_k": ' + b"9" * 5000 + b"}"),
    "zero words": (422, b'{"input": "a", "top_k": 0}'),
    "a text for a number": (422, b'{"input": "a", "top_k": "3"}'),
    "unknown field": (422, b'{"input": "a", "inptu": 1}'),
    "unknown model": (404, b'{"input": "a", "model": "b"}'),
    "unknown role": (422, b'{"input": [[{"role": "king", "content": "a"}]]}'),
    "no message": (422, b'{"input": [[]], "model": "chat"}'),
    "too many": (422, json.dumps({"input": ["a"] * 300}).encode()),
    "mask beyond the end": (422, b'{"model": "words", "input": "' + b"a " * 90 + b'[MASK]"}'),
    "too long to weigh": (422, b'{"model": "plain", "input": "' + b"abc " * 20_000 + b'"}'),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_told_why_and_never_breaks_the_server(
    name: str, all_served: Running
) -> None:
    status, body = BAD[name]

    response = all_served.client.post(
        "/v1/predict", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == status
    error = response.json()["error"]
    assert set(error) == {"code", "message", "where", "fix"}
    assert all(error.values())


_MANY = 2_000
_KEYS = ",".join(f'"a{at}": 1' for at in range(_MANY))
_ONES, _OBJECTS = ",".join(["1"] * _MANY), ",".join(["{}"] * _MANY)
_TENSOR = '"name": "text", "datatype": "BYTES", "data": ["a"]'


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        (PredictRequest, f'{{"input": [{_ONES}]}}'),
        (PredictRequest, f'{{"input": [[{_OBJECTS}]]}}'),
        (PredictRequest, f'{{"input": "a", {_KEYS}}}'),
        (ChatRequest, f'{{"model": "m", "messages": [{_OBJECTS}]}}'),
        (ChatRequest, f'{{"model": "m", "messages": [{{{_KEYS}}}]}}'),
        (CompletionRequest, f'{{"model": "m", "prompt": [{_OBJECTS}]}}'),
        (CompletionRequest, f'{{"model": "m", "prompt": "a", "stop": [{_ONES}]}}'),
        (EmbeddingRequest, f'{{"model": "m", "input": [{_ONES}]}}'),
        (Invocation, f'{{"inputs": [{_ONES}]}}'),
        (Invocation, f'{{"inputs": {{{_KEYS}}}}}'),
        (Invocation, f'{{"instances": [{_ONES}]}}'),
        (Invocation, f'{{"instances": [{{{_KEYS}}}]}}'),
        (Invocation, f'{{"dataframe_records": [{_ONES}]}}'),
        (Invocation, f'{{"dataframe_split": {{"columns": [{_ONES}], "data": [{_ONES}]}}}}'),
        (InferRequest, f'{{"inputs": [{{"shape": [{_ONES.replace("1", "-1")}], {_TENSOR}}}]}}'),
        (InferRequest, f'{{"outputs": [{_ONES}], "inputs": [{{"shape": [1], {_TENSOR}}}]}}'),
    ],
)
def test_a_body_of_faults_alone_is_refused_for_a_few_of_them(
    asked: type[BaseModel], body: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        asked.model_validate(json.loads(body))

    assert refused.value.error_count() <= 8


def test_odd_texts_are_answered(all_served: Running) -> None:
    odd = ["word1\x00word2", "\u202eword1", "a" * 5000, "🦙" * 50, "\ufffe\uffff", "e\u0301" * 9]

    for name in ("colours", "words", "chat", "short", "plain"):
        response = predict(all_served, input=odd, model=name)

        assert response.status_code == 200, response.text
        assert len(response.json()["answers"]) == len(odd)


def test_json_that_is_not_said_to_be_json_is_refused_with_the_header_to_send(
    all_served: Running,
) -> None:
    response = all_served.client.post("/v1/predict", content=b'{"input": "a"}')

    assert response.status_code == 422
    assert "Content-Type: application/json" in response.json()["error"]["fix"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("GET", "/v1/predict", 405), ("POST", "/healthz", 405)],
)
def test_a_wrong_path_or_method_is_told_in_the_same_form(
    method: str, path: str, status: int, all_served: Running
) -> None:
    response = all_served.client.request(method, path)

    assert response.status_code == status
    assert set(response.json()["error"]) == {"code", "message", "where", "fix"}


def test_the_description_of_the_api_is_whole(all_served: Running) -> None:
    described = all_served.client.get("/openapi.json").json()

    asked = described["components"]["schemas"]["PredictRequest"]
    assert asked["examples"]
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "HTTPValidationError" not in json.dumps(operation)
