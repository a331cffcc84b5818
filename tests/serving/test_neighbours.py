"""The Open Inference Protocol and MLflow's requests get the answers that the native API gives."""

import json
from typing import Any

import pytest

from .conftest import Running

TEXTS = ["word1 word2 word3", "word9"]


def infer(running: Running, model: str, texts: list[str], **changes: Any) -> Any:
    """Ask a model, or `MODEL/versions/VERSION`, for answers."""
    tensor = {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts} | changes
    return running.client.post(f"/v2/models/{model}/infer", json={"id": "mine", "inputs": [tensor]})


def native(running: Running, texts: list[str], model: str = "colours") -> list[dict[str, Any]]:
    body = {"input": texts, "model": model}
    return list(running.client.post("/v1/predict", json=body).json()["answers"])


def test_a_classifier_is_inferred(all_served: Running) -> None:
    found = infer(all_served, "colours", TEXTS).json()

    answer, scores = found["outputs"]
    expected = native(all_served, TEXTS)
    assert (found["id"], found["model_name"]) == ("mine", "colours")
    assert [json.loads(one) for one in answer["data"]] == [one["labels"] for one in expected]
    assert scores["shape"] == [2, 3]
    flat = [one["scores"][name] for one in expected for name in ("red", "green", "blue")]
    assert scores["data"] == pytest.approx(flat, abs=1e-6)
    rows = infer(all_served, "colours", TEXTS, shape=[2, 1], data=[[one] for one in TEXTS]).json()
    assert rows["outputs"][0] == answer


def test_other_models_are_inferred(all_served: Running) -> None:
    texts = ["the cat", "on the mat"]

    written = infer(all_served, "chat", texts).json()["outputs"]
    assert written[0]["data"] == [one["text"] for one in native(all_served, texts, "chat")]
    weighed = infer(all_served, "plain", texts).json()["outputs"][1]
    assert (weighed["name"], len(weighed["data"])) == ("log_likelihood", 2)
    filled = infer(all_served, "words", ["word1 [MASK]"]).json()["outputs"]
    assert len(filled) == 1
    assert len(json.loads(filled[0]["data"][0])) == 1


def test_models_and_their_health_are_told(all_served: Running) -> None:
    get = all_served.client.get

    health = [get("/v2/health/live"), get("/v2/health/ready")]
    assert [one.status_code for one in health] == [200, 200]
    assert [one.json() for one in health] == [{"live": True, "ready": True}] * 2
    assert get("/v2").json()["name"] == "burnish"
    assert get("/v2/models/colours").json()["outputs"][1]["shape"] == [-1, 3]
    assert get("/v2/models/colours/ready").json()["ready"]
    assert get("/v2/models/none").status_code == 404


def test_a_model_is_found_under_the_version_it_tells_and_under_no_other(
    all_served: Running,
) -> None:
    get = all_served.client.get
    plain = get("/v2/models/colours").json()
    (version,) = plain["versions"]

    name = f"colours/versions/{version}"
    assert get(f"/v2/models/{name}").json() == plain
    assert get(f"/v2/models/{name}/ready").json() == get("/v2/models/colours/ready").json()
    assert infer(all_served, name, TEXTS).json() == infer(all_served, "colours", TEXTS).json()
    others = [
        get("/v2/models/colours/versions/1"),
        get("/v2/models/colours/versions/1/ready"),
        get(f"/v2/models/words/versions/{version}"),
        infer(all_served, "colours/versions/1", TEXTS),
    ]
    assert {one.status_code for one in others} == {404}
    assert version in others[0].json()["error"]


@pytest.mark.parametrize(
    "changes",
    [{"datatype": "FP32"}, {"shape": [3]}, {"shape": [-1]}, {"data": [1, 2]}, {"data": [None, "a"]},
     {"data": [], "shape": [0]}, {"data": ["a", ["b", "c"]]}],
)  # fmt: skip
def test_a_tensor_that_is_no_column_of_texts_is_refused(
    changes: dict[str, Any], all_served: Running
) -> None:
    response = infer(all_served, "colours", TEXTS, **changes)

    assert response.status_code == 422
    assert response.json()["error"].startswith("[BN701] ")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v2/models/none"), ("GET", "/v2/none"), ("POST", "/v2/models/colours/infer"),
     ("POST", "/v2/health/live")],
)  # fmt: skip
def test_an_error_of_the_inference_protocol_is_a_text(
    method: str, path: str, all_served: Running
) -> None:
    told = all_served.client.request(method, path).json()

    assert set(told) == {"error"}
    assert told["error"].startswith("[BN70")


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": TEXTS},
        {"inputs": {"text": TEXTS}},
        {"instances": TEXTS},
        {"instances": [{"text": one} for one in TEXTS]},
        {"dataframe_records": [{"id": 1, "text": one} for one in TEXTS]},
        {"dataframe_split": {"columns": ["id", "text"], "data": [[1, one] for one in TEXTS]}},
    ],
)
def test_every_form_of_mlflow_is_answered(body: dict[str, Any], all_served: Running) -> None:
    found = all_served.client.post("/invocations", json=body).json()["predictions"]

    expected = native(all_served, TEXTS)
    assert [one["answer"] for one in found] == [one["labels"] for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)
    for path in ("/ping", "/health"):
        assert all_served.client.get(path).status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"inputs": []}, {"inputs": TEXTS, "instances": TEXTS}, {"dataframe_records": [{"a": "b"}]},
     {"dataframe_split": {"columns": ["a"], "data": [["b"]]}}, {"inputs": {"text": [1]}},
     {"dataframe_split": {"columns": ["text"], "data": [[]]}}, {"rows": TEXTS}, [], "a"],
)  # fmt: skip
def test_a_table_without_texts_is_refused(body: Any, all_served: Running) -> None:
    response = all_served.client.post("/invocations", json=body)

    assert response.status_code == 422


def test_half_a_character_is_refused_everywhere(all_served: Running) -> None:
    bodies = {
        "/invocations": b'{"inputs": ["\\ud800"]}',
        "/v2/models/colours/infer": b'{"inputs": [{"name": "text", "shape": [1], '
        b'"datatype": "BYTES", "data": ["\\ud800"]}]}',
    }
    for path, body in bodies.items():
        response = all_served.client.post(
            path, content=body, headers={"content-type": "application/json"}
        )
        assert response.status_code == 422
