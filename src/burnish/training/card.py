"""The model card: what the model answers, how well, and how to open it."""

from collections.abc import Mapping
from typing import Any

from burnish.tasks.base import Task

_OPEN_FULL = """from transformers import pipeline
classify = pipeline("text-classification", model="path/to/this/folder")
classify("some text", top_k=None, truncation=True)"""
_OPEN_ADAPTER = """from peft import AutoPeftModelForSequenceClassification
model = AutoPeftModelForSequenceClassification.from_pretrained(
    "path/to/this/folder", num_labels=LABELS
)"""

_OPEN_ONNX = """import numpy as np
import onnxruntime
from transformers import AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder")
session = onnxruntime.InferenceSession("path/to/this/folder/model.onnx")
rows = tokenizer(["some text"], padding=True, truncation=True, return_tensors="np")
logits, = session.run(["logits"], {name: rows[name] for name in ("input_ids", "attention_mask")})"""
_OPEN = {"transformers": _OPEN_FULL, "peft": _OPEN_ADAPTER, "onnx": _OPEN_ONNX}


def model_card(task: Task, meta: Mapping[str, Any], *, form: str) -> str:
    """Return the README.md of a folder whose form is transformers, peft or onnx."""
    told = task.to_json()
    labels = told.get("labels", [])
    lines = [
        "---",
        f"library_name: {form}",
        f"pipeline_tag: {told['kind']}",
        f"base_model: {meta.get('base_model')}",
        "---",
        f"# {meta.get('name', 'model')}",
        "",
        f"Fine-tuned from `{meta.get('base_model')}` with Burnish (method `{meta.get('method')}`).",
        "",
        "| label | threshold |",
        "|---|---|",
        *_label_rows(labels, told.get("thresholds", []), told.get("positive")),
        "",
        f"Texts over {told.get('max_length')} tokens are cut at the end.",
        "",
        *_score_rows(meta.get("scores", [])),
        "```python",
        _OPEN[form].replace("LABELS", str(len(labels))),
        "```",
        "",
        'Thresholds applied: `burnish predict path/to/this/folder --text "some text"`',
        "",
    ]
    return "\n".join(lines)


def _label_rows(labels: list[str], thresholds: list[float], positive: str | None) -> list[str]:
    if positive is not None and thresholds:
        told = {positive: f"{thresholds[0]:.4f}"}
    else:
        told = {label: f"{value:.4f}" for label, value in zip(labels, thresholds, strict=False)}
    return [f"| {label} | {told.get(label, '–')} |" for label in labels]


def _score_rows(scores: list[Mapping[str, Any]]) -> list[str]:
    if not scores:
        return []
    rows = [
        f"| {score['split']} | {score['metric']} | {score['value']:.4f} "
        f"| {score['low']:.4f} – {score['high']:.4f} | {score['n']} |"
        for score in scores
    ]
    head = ["| split | metric | value | 95 % interval | rows |", "|---|---|---|---|---|"]
    return [*head, *rows, ""]
