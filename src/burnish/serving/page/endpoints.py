"""What programs may ask of the page: plain values, by name, of any of its models."""

from collections.abc import Callable, Collection
from typing import Any

from burnish.errors import RequestError
from burnish.serving.growing import Written
from burnish.serving.page.asks import Asker


def endpoints(asker: Asker, surfaces: Collection[str]) -> list[Callable[..., Any]]:
    """Return the functions to offer, each named like its endpoint.

    Args:
        asker: asks the models; each function takes the name of one, empty: the first.
        surfaces: what the models can do.
    """
    of = {
        "classify": [_classify(asker), _words(asker)],
        "fill": [_fill(asker)],
        "write": [_write(asker)],
        "chat": [_chat(asker)],
        "go_on": [_go_on(asker)],
    }
    return [one for name, made in of.items() if name in surfaces for one in made]


def _classify(asker: Asker) -> Callable[..., Any]:
    async def classify(text: str, model: str = "") -> dict[str, Any]:
        """Give the labels of a text, and the probability of every label."""
        name = asker.named(model)
        found = await asker.one(name, text, wanted="labels")
        told = found.prediction
        return {
            "labels": list(told.answer),
            "scores": told.scores,
            "thresholds": asker.facts(name).thresholds,
            "cut_tokens": found.cut_tokens,
        }

    return classify


def _words(asker: Asker) -> Callable[..., Any]:
    async def words(text: str, label: str = "", model: str = "") -> dict[str, Any]:
        """Tell what leaving each word out takes from a label's probability; the likeliest's."""
        found, parts = await asker.words(asker.named(model), text, label or None)
        told = [{"text": text[one.start : one.end], "change": one.change} for one in parts]
        return {"label": found, "words": told}

    return words


def _fill(asker: Asker) -> Callable[..., Any]:
    async def fill(text: str, top_k: int = 5, model: str = "") -> list[Any]:
        """Give the likeliest words for each mask of a text."""
        found = await asker.one(asker.named(model), text, top_k=top_k, wanted="words for masks")
        return [
            [{"word": one.token_str, "score": one.score, "text": one.sequence} for one in mask]
            for mask in found.prediction.fills
        ]

    return fill


def _write(asker: Asker) -> Callable[..., Any]:
    async def write(text: str, model: str = "") -> str:
        """Answer a text, as in the evaluation."""
        found = await asker.one(asker.named(model), text, wanted="written answers")
        return found.prediction.answer[0]

    return write


def _chat(asker: Asker) -> Callable[..., Any]:
    async def chat(message: str, history: list[Any] | None = None, model: str = "") -> str:
        """Answer a message; history: messages before it, each with role and content."""
        turns = [*plain_turns(history or []), {"role": "user", "content": message}]
        return await _whole(asker, model, "", turns=turns)

    return chat


def _go_on(asker: Asker) -> Callable[..., Any]:
    async def go_on(text: str, tokens: int = 40, model: str = "") -> str:
        """Write what follows a text."""
        return await _whole(asker, model, text, turns=None, limit=tokens)

    return go_on


async def _whole(asker: Asker, model: str, text: str, **more: Any) -> str:
    written = ""
    async for piece in asker.write(asker.named(model), text, **more):
        written = piece.text if isinstance(piece, Written) else written
    return written


def plain_turns(history: Any) -> list[dict[str, str]]:
    """Return messages as role and text, as Gradio's parts or as plain strings.

    Raises:
        RequestError: BN701, they are of another form.
    """
    try:
        return [{"role": _role(one["role"]), "content": _text(one["content"])} for one in history]
    except (KeyError, TypeError) as err:
        raise RequestError(
            "the history is not a list of messages",
            where="the page",
            fix="give each message its role (user or assistant) and its content",
        ) from err


def _role(role: Any) -> str:
    if role not in ("user", "assistant", "system"):
        raise TypeError
    return str(role)


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)
