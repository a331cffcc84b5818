"""The model card: what the model answers, how well, and how to open it."""

from collections.abc import Mapping
from typing import Any

from burnish.recipe.task import MASKED, PLAIN_TEXT
from burnish.tasks.base import Task
from burnish.training.opening import opening

_TAGS = {  # as the hub has them
    "causal-lm": "text-generation",
    MASKED: "fill-mask",
    PLAIN_TEXT: "text-generation",
    "seq2seq": "text2text-generation",
}
_TWO_ADAPTERS = (
    "Its base is an adapter itself. PEFT would open this one in the place of that one, not on top "
    "of it, and say nothing; `burnish export RUN --format merged` writes a model that others open."
)
_OURS = ("transformers", "peft")  # forms that Burnish itself opens


def model_card(task: Task, meta: Mapping[str, Any], *, form: str) -> str:
    """Return the README.md of a folder.

    Args:
        task: what the model was judged at.
        meta: name, base_model, method; scores, where they are known; base_is_adapter.
        form: transformers, peft, onnx or gguf.
    """
    told = task.to_json()
    lines = [
        "---",
        f"library_name: {form}",
        f"pipeline_tag: {_TAGS.get(told['kind'], told['kind'])}",
        f"base_model: {meta.get('base_model')}",
        "---",
        f"# {meta.get('name', 'model')}",
        "",
        f"Fine-tuned from `{meta.get('base_model')}` with Burnish (method `{meta.get('method')}`).",
        "",
        *_ROWS[task.space.asked](told),
        "",
        *_score_rows(meta.get("scores", [])),
    ]
    if form == "peft" and meta.get("base_is_adapter"):
        lines += [_TWO_ADAPTERS, ""]
    else:
        lines += ["```python", opening(told, form, task.writing), "```", ""]
    if form in _OURS:
        what = _JUDGED[task.space.asked]
        lines += [f'{what}: `burnish predict path/to/this/folder --text "some text"`', ""]
    elif task.writing and not task.writing.is_greedy:
        lines += ["The code searches greedily, so it may write other answers than were judged.", ""]
    return "\n".join(lines)


def _label_rows(told: Mapping[str, Any]) -> list[str]:
    """Return the table of labels with their thresholds, and what is cut."""
    labels, thresholds = told.get("labels", []), told.get("thresholds", [])
    if told.get("positive") is not None and thresholds:
        known = {told["positive"]: f"{thresholds[0]:.4f}"}
    else:
        known = {label: f"{value:.4f}" for label, value in zip(labels, thresholds, strict=False)}
    rows = [f"| {label} | {known.get(label, '–')} |" for label in labels]
    told_too = [f"Texts over {told.get('max_length')} tokens are cut at the end."]
    if told.get("calibrated"):
        told_too.append("Probabilities were fitted to what came true on rows held out for it.")
    if (least := told.get("least_confidence")) is not None:
        told_too.append(f"A person should look at answers with a confidence below {least:.4f}.")
    return ["| label | threshold |", "|---|---|", *rows, "", " ".join(told_too)]


def _writing_rows(told: Mapping[str, Any]) -> list[str]:
    """Return how the model was asked, and how its answers were searched for."""
    longest = told["max_new_tokens"] or told["max_output"]
    beams = told["beams"]
    search = "greedily" if beams == 1 else f"by {beams} beams"
    if told["no_repeat_ngram"]:
        search += f", no {told['no_repeat_ngram']} tokens in a row twice"
    if beams > 1 and told["length_penalty"] != 1:
        search += f", with a length penalty of {told['length_penalty']}"
    return [
        f"Inputs over {told['max_input']} tokens were cut at the end. "
        f"Answers were searched for {search}, of at most {longest} tokens.",
    ]


def _plain_rows(told: Mapping[str, Any]) -> list[str]:
    if told["kind"] == MASKED:
        return [f"It foretells hidden words of texts, {told['max_length']} tokens at once."]
    return [f"It learned plain texts as they are, {told['max_length']} tokens at once."]


_ROWS = {"labels": _label_rows, "texts": _writing_rows, "nothing": _plain_rows}
_JUDGED = {
    "labels": "Thresholds applied",
    "texts": "As it was judged",
    "nothing": "How likely it finds a text",
}


def _score_rows(scores: list[Mapping[str, Any]]) -> list[str]:
    if not scores:
        return []
    rows = [
        f"| {score['split']} | {score['metric']} | {score['value']:.4f} "
        f"| {_interval(score)} | {score['n']} |"
        for score in scores
    ]
    head = ["| split | metric | value | 95 % interval | rows |", "|---|---|---|---|---|"]
    return [*head, *rows, ""]


def _interval(score: Mapping[str, Any]) -> str:
    return "–" if score["low"] is None else f"{score['low']:.4f} – {score['high']:.4f}"
