"""LitServe servers that `benchmarks/serve.py` compares with, as their users write them.

A file of its own, because LitServe starts workers that import what they are to run.

Run by that benchmark: `serve_litserve.py WHO MODEL PORT TASK`.
"""

import sys
from collections.abc import Sequence
from typing import Any

import litserve
from serve_peers import Request, folder_of, is_multi_label

WAIT_S = 0.005
MOST = 64


class Classifier(litserve.LitAPI):  # type: ignore[misc]
    """A classifier in batches, on torch as usual or on Burnish's int8 engine."""

    def __init__(self, model: str, *, ours: bool) -> None:
        super().__init__(max_batch_size=MOST, batch_timeout=WAIT_S)
        self._model, self._ours = model, ours

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the model in the worker."""
        self._answer = int8(self._model) if self._ours else padded_batches(self._model)

    def decode_request(self, request: Request) -> str:
        """Return the text of a request."""
        return request["input"]

    def predict(self, texts: list[str]) -> list[dict[str, float]]:
        """Answer a batch."""
        return list(self._answer(texts))

    def encode_response(self, output: dict[str, float]) -> dict[str, Any]:
        """Return a response."""
        return {"scores": output}


def padded_batches(model: str) -> Any:
    """Return a function from texts to scores as most write it: pad, run, sigmoid or softmax."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = folder_of(model)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    names = network.config.id2label

    def answer(texts: Sequence[str]) -> list[dict[str, float]]:
        asked = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            logits = network(**asked).logits
        scores = logits.sigmoid() if is_multi_label(network) else logits.softmax(-1)
        return [{names[at]: score for at, score in enumerate(row)} for row in scores.tolist()]

    return answer


def int8(model: str) -> Any:
    """Return a function from texts to scores by the engine that `burnish serve` runs."""
    from burnish.serving.engine import Ask
    from burnish.serving.opening import find

    engine = find("model", model, fetchers={}, precision="int8").load()
    engine.warm()

    def answer(texts: Sequence[str]) -> list[dict[str, float]]:
        found = engine.answer(engine.read([Ask(text=text) for text in texts]))
        return [one.prediction.scores for one in found]

    return answer


if __name__ == "__main__":
    from burnish.training.processor import cores

    api = Classifier(sys.argv[2], ours=sys.argv[1] == "litserve-int8")
    # Burnish's int8 engine computes on one core; torch on all of them.
    workers = cores() if sys.argv[1] == "litserve-int8" else 1
    litserve.LitServer(api, accelerator="cpu", workers_per_device=workers).run(
        port=int(sys.argv[3]), host="127.0.0.1", generate_client_file=False, log_level="warning"
    )
