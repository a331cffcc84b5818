"""Ask a server what its users would, with OpenAI's client and without.

python -m smoke.ask URL    # ends with 1 and the reason where an answer is not as it must be
"""

import json
import sys
import urllib.request
from typing import Any

import openai

_SECONDS = 30


def ask(url: str) -> list[str]:
    """Use every API that the served models have, and return what was done.

    Args:
        url: of a server whose first model classifies.

    Raises:
        SystemExit: an answer is not as it must be.
    """
    done = [_predict(url)]
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:
        names = [model.id for model in client.models.list()]
        done.append(f"openai models.list: {', '.join(names)}")
        vector = client.embeddings.create(model=names[0], input="sky").data[0].embedding
        _must(len(vector) > 1, "an embedding has numbers")
        done.append(f"openai embeddings.create: {len(vector)} numbers")
        if "chat" in names:
            done += _write(client)
    with _opened(f"{url}/metrics") as page:
        _must("burnish_http_responses_total" in page.read().decode(), "/metrics counts responses")
    return [*done, "GET /metrics"]


def _predict(url: str) -> str:
    with _opened(f"{url}/readyz") as ready:
        _must(ready.status == 200, "/readyz says 200")
    body = json.dumps({"input": ["green grass", "sky"]}).encode()
    request = urllib.request.Request(  # noqa: S310  (the URL is who calls's own)
        f"{url}/v1/predict", body, {"Content-Type": "application/json"}
    )
    with _opened(request) as answer:
        found = json.load(answer)
    _must(len(found["answers"]) == 2, "two inputs get two answers")
    _must("scores" in found["answers"][0], "an answer has scores")
    return f"GET /readyz, POST /v1/predict: {found['answers'][0]['labels']}"


def _write(client: openai.OpenAI) -> list[str]:
    asked: Any = {"model": "chat", "messages": [{"role": "user", "content": "sky?"}]}
    whole = client.chat.completions.create(**asked)
    _must(whole.choices[0].finish_reason in ("stop", "length"), "an answer says why it ended")
    parts = [one.choices[0].delta.content for one in client.chat.completions.create(
        **asked, stream=True) if one.choices]  # fmt: skip
    text = "".join(part or "" for part in parts)
    _must(text == whole.choices[0].message.content, "a stream writes the same as the whole")
    return ["openai chat.completions.create, whole and as a stream: the same text"]


def _opened(request: Any) -> Any:
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
        request, timeout=_SECONDS
    )


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"not so: {what}")


if __name__ == "__main__":
    for line in ask(sys.argv[1].rstrip("/")):
        sys.stdout.write(f"{line}\n")
