"""Clients that nobody here wrote get the answers that the native API gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from burnish.training.modelfolder import Answerer

from .conftest import HARDWARE, Running

pytestmark = pytest.mark.filterwarnings("ignore")  # these clients warn of their own imports

TEXTS = ["word1 word2 word3", "word9"]


def native(running: Running) -> list[dict[str, Any]]:
    body = {"input": TEXTS, "model": "colours"}
    return list(running.client.post("/v1/predict", json=body).json()["answers"])


def test_the_client_of_triton_infers(all_served: Running) -> None:
    import tritonclient.http as triton

    client = triton.InferenceServerClient(all_served.url.removeprefix("http://"))
    texts = triton.InferInput("text", [2], "BYTES")
    texts.set_data_from_numpy(np.array(TEXTS, dtype=object), binary_data=False)
    wanted = [triton.InferRequestedOutput(name, binary_data=False) for name in ("answer", "scores")]

    found = client.infer("colours", [texts], outputs=wanted, request_id="mine")

    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("colours")
    assert client.get_model_metadata("colours")["inputs"][0]["datatype"] == "BYTES"
    expected = native(all_served)
    assert [json.loads(one) for one in found.as_numpy("answer")] == [
        one["labels"] for one in expected
    ]
    scores = [list(one["scores"].values()) for one in expected]
    np.testing.assert_allclose(found.as_numpy("scores"), scores, atol=1e-6)
    alone = client.infer("colours", [texts], outputs=wanted[1:])
    assert [one["name"] for one in alone.get_response()["outputs"]] == ["scores"]
    (version,) = client.get_model_metadata("colours")["versions"]
    assert client.is_model_ready("colours", model_version=version)
    assert not client.is_model_ready("colours", model_version="1")
    by_version = client.infer("colours", [texts], model_version=version, outputs=wanted)
    assert by_version.get_response()["model_version"] == version
    with pytest.raises(triton.InferenceServerException, match=r"\[BN703\] no model is called"):
        client.infer("none", [texts], outputs=wanted)


def test_the_client_of_mlflow_invokes(all_served: Running) -> None:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    host, port = all_served.url.removeprefix("http://").split(":")
    client = ScoringServerClient(host, port)

    client.ping()
    found = client.invoke(pd.DataFrame({"text": TEXTS})).get_predictions()

    assert client.get_version()
    assert found["answer"].tolist() == [one["labels"] for one in native(all_served)]


def test_the_evaluation_harness_weighs_texts_and_has_them_written(
    all_served: Running, folders: dict[str, Path]
) -> None:
    from lm_eval.api.instance import Instance
    from lm_eval.models import openai_completions

    def instances(kind: Any, *arguments: Any) -> list[Instance]:
        return [
            Instance(request_type=kind, doc={}, arguments=one, idx=at)
            for at, one in enumerate(arguments)
        ]

    client = openai_completions.LocalCompletionsAPI(
        base_url=f"{all_served.url}/v1/completions",
        model="plain",
        tokenizer=str(folders["plain"]),
        tokenizer_backend="huggingface",
        batch_size=2,
        max_length=64,
    )

    pairs = [("the cat", " sat"), ("the cat", " on the mat"), ("äöü", "mat")]
    weighed = client.loglikelihood(instances("loglikelihood", *pairs))
    asked = ("the cat", {"until": ["\n\n"], "max_gen_toks": 8})
    (written,) = client.generate_until(instances("generate_until", asked))

    opened = Answerer.open(folders["plain"], hardware=HARDWARE)
    for (told, greedy), (context, rest) in zip(weighed, pairs, strict=True):
        expected, expected_greedy = _likelihood(opened, context, rest)
        assert told == pytest.approx(expected, abs=1e-3)
        assert greedy == expected_greedy
    ids = torch.tensor([opened.tokenizer("the cat")["input_ids"]])
    plain = opened.model.generate(ids, max_new_tokens=8, do_sample=False)[0, ids.shape[1] :]
    assert written == opened.tokenizer.decode(plain, skip_special_tokens=True)


def _likelihood(opened: Answerer, context: str, rest: str) -> tuple[float, bool]:
    """Return the log likelihood of a text after another, and whether it is the likeliest."""
    before, after = (opened.tokenizer(one)["input_ids"] for one in (context, rest))
    with torch.inference_mode():
        logits = opened.model(torch.tensor([before + after])).logits[0]
    logprobs = logits.log_softmax(-1)[len(before) - 1 : -1]
    right = torch.tensor(after)
    return float(logprobs.gather(1, right[:, None]).sum()), bool(
        (logprobs.argmax(-1) == right).all()
    )
