import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from burnish.errors import ModelFormatError
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, Score
from burnish.tasks.causal_lm import CausalTask
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.seq2seq import Seq2SeqTask
from burnish.tasks.writing import WritingTask
from burnish.tracking.base import MemoryTracker
from burnish.training.card import model_card
from burnish.training.facts import task_facts
from burnish.training.fit import FitResult, fit
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.models import load_tokenizer
from burnish.training.predict import embeddings, raw_outputs
from burnish.training.sources import ModelSource, resolve

META = {"name": "colours", "base_model": "owner/tiny", "method": "full"}
TEXTS = ["word0 word9 word11", "word1 " * 30, "word2 -LRB- word3", "", "word8"]


@pytest.fixture
def fitted(
    make_recipe: Callable[..., Recipe],
    tiny: ModelSource,
    hardware: Hardware,
    tmp_path: Path,
    made_rows: Callable[..., pl.DataFrame],
) -> Callable[..., tuple[FitResult, Any]]:
    def go(space: LabelSpace, method: str = "full", **section: Any) -> tuple[FitResult, Any]:
        recipe = make_recipe(method={"kind": method}, task=section, learning_rate=0.01)
        task = ClassificationTask.from_recipe(recipe.task, space)
        tokenizer = load_tokenizer(tiny, task)
        rows = task.encode(made_rows(40, labels=space.names), tokenizer)
        result = fit(
            recipe,
            task,
            tiny,
            rows,
            rows,
            hardware=hardware,
            tracker=MemoryTracker(),
            checkpoints=tmp_path / "checkpoints",
        )
        return result, tokenizer

    return go


SPACES = {
    "multi-class": LabelSpace(names=("red", "green", "blue"), multi_label=False),
    "binary": LabelSpace(names=("fair", "unfair"), multi_label=False, positive="unfair"),
    "multi-label": LabelSpace(names=("red", "green", "blue"), multi_label=True),
}


@pytest.mark.parametrize("kind", sorted(SPACES))
def test_pipeline_of_transformers_gives_the_same_probabilities(
    kind: str, fitted: Callable[..., Any], tmp_path: Path, hardware: Hardware
) -> None:
    from transformers import pipeline

    space = SPACES[kind]
    result, tokenizer = fitted(space, labels=space.names, normalise=("ptb",))
    save_model_folder(tmp_path / "model", result.model, tokenizer, result.task, meta=META)

    ours = Answerer.open(tmp_path / "model", hardware=hardware).answer(TEXTS)
    classify = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")
    theirs = classify(TEXTS, top_k=None, truncation=True)

    for mine, other in zip(ours, theirs, strict=True):
        found = {entry["label"]: entry["score"] for entry in other}
        assert found == pytest.approx(mine.scores, abs=1e-5)


@pytest.mark.parametrize("method", METHODS.names())
def test_a_reopened_model_answers_as_the_trained_one(
    method: str, fitted: Callable[..., Any], tmp_path: Path, hardware: Hardware
) -> None:
    space = SPACES["multi-label"]
    result, tokenizer = fitted(space, method=method, labels=space.names)
    rows = pl.DataFrame({"id": [str(at) for at in range(len(TEXTS))], "text": TEXTS})
    encoded = result.task.encode(rows, tokenizer)
    expected = result.task.decode(
        raw_outputs(result.model, encoded, result.task, hardware), encoded
    )
    save_model_folder(
        tmp_path / "model", result.model, tokenizer, result.task, meta=META | {"method": method}
    )

    found = Answerer.open(tmp_path / "model", hardware=hardware).answer(TEXTS)

    assert [one.answer for one in found] == [one.answer for one in expected]
    for mine, other in zip(found, expected, strict=True):
        assert mine.scores == pytest.approx(other.scores, abs=1e-6)


def test_peft_opens_the_adapter_by_itself(
    fitted: Callable[..., Any], tmp_path: Path, hardware: Hardware
) -> None:
    import warnings

    import torch

    space = SPACES["multi-label"]
    result, tokenizer = fitted(space, method="lora", labels=space.names)
    save_model_folder(tmp_path / "model", result.model, tokenizer, result.task, meta=META)
    ours = Answerer.open(tmp_path / "model", hardware=hardware).answer(TEXTS[:1])[0]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # inside peft, about transformers
        from peft import AutoPeftModelForSequenceClassification

        model = AutoPeftModelForSequenceClassification.from_pretrained(
            tmp_path / "model", num_labels=3, ignore_mismatched_sizes=True
        ).eval()
    outputs = model(**tokenizer(TEXTS[:1], return_tensors="pt")).logits

    expected = torch.sigmoid(outputs)[0].tolist()
    assert list(ours.scores.values()) == pytest.approx(expected, abs=1e-5)


def test_burnish_json_tells_task_thresholds_and_limits(
    fitted: Callable[..., Any], tmp_path: Path
) -> None:
    space = SPACES["multi-label"]
    result, tokenizer = fitted(space, labels=space.names)

    save_model_folder(tmp_path / "model", result.model, tokenizer, result.task, meta=META)

    facts = json.loads((tmp_path / "model" / "burnish.json").read_text())
    assert facts["version"] == 1
    assert facts["labels"] == ["red", "green", "blue"]
    assert facts["thresholds"] == list(result.task.thresholds)
    assert facts["limits"] == {"max_length": 16}
    assert facts["prompt"] is None
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["id2label"] == {"0": "red", "1": "green", "2": "blue"}
    card = (tmp_path / "model" / "README.md").read_text()
    assert "# colours" in card
    assert "pipeline" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "model", "tiny"]


WRITES = {"max_input": 60, "max_output": 9, "max_new_tokens": None}
FORMS: dict[str, tuple[WritingTask, dict[str, Any]]] = {
    "template": (CausalTask(**WRITES, prompt="Q: {input}"), {"template": "Q: {input}"}),
    "chat": (CausalTask(**WRITES, system="Be kind."), {"system": "Be kind."}),
    "prefix": (Seq2SeqTask(**WRITES, prefix="turn: "), {"prefix": "turn: "}),
}


@pytest.mark.parametrize("kind", FORMS)
def test_burnish_json_tells_how_a_model_that_writes_is_asked(kind: str) -> None:
    task, told = FORMS[kind]

    facts = task_facts(task, META)

    assert facts["prompt"] == {"kind": kind} | told
    assert facts["limits"] == {"max_input": 60, "max_output": 9, "max_new_tokens": 9}


def test_a_card_has_a_dash_where_a_score_has_no_interval(task: ClassificationTask) -> None:
    score = Score(
        system="tuned", split="test", metric="f1", value=1.0, low=np.nan, high=np.nan, n=1
    )

    card = model_card(task, META | {"scores": [score.to_json()]}, form="transformers")

    assert "| test | f1 | 1.0000 | – | 1 |" in card


def test_facts_that_tell_no_task_are_refused(tiny: ModelSource) -> None:
    (tiny.folder / "burnish.json").write_text('{"task": {"kind": "text-classification"}}', "utf-8")

    with pytest.raises(ModelFormatError, match=r"burnish\.json"):
        Answerer.open(tiny.folder)


def test_answers_do_not_depend_on_company(
    fitted: Callable[..., Any], tmp_path: Path, hardware: Hardware
) -> None:
    space = SPACES["multi-class"]
    result, tokenizer = fitted(space, labels=space.names)
    answerer = Answerer(
        model=result.model, tokenizer=tokenizer, task=result.task, hardware=hardware
    )

    together = answerer.answer(TEXTS)
    alone = [answerer.answer([text])[0] for text in TEXTS]

    assert answerer.answer([]) == []
    for one, other in zip(together, alone, strict=True):
        assert one.answer == other.answer
        assert one.scores == pytest.approx(other.scores, abs=1e-6)


def test_embeddings_are_means_over_the_tokens_of_each_row(
    tiny: ModelSource, choose: Any, hardware: Hardware
) -> None:
    import torch
    from transformers import AutoModel

    found = embeddings(resolve(str(tiny.folder)), choose, hardware)

    body = AutoModel.from_pretrained(tiny.folder).eval()
    for row in range(3):
        ids = torch.from_numpy(choose.inputs.row(row).astype(np.int64))
        expected = body(input_ids=ids[None]).last_hidden_state[0].mean(dim=0)
        np.testing.assert_allclose(found[row], expected.detach().numpy(), atol=1e-5)


def test_a_server_of_another_user_can_read_every_file(
    fitted: Callable[..., tuple[FitResult, Any]], tmp_path: Path
) -> None:
    result, tokenizer = fitted(SPACES["binary"])
    folder = tmp_path / "model"

    save_model_folder(folder, result.model, tokenizer, result.task, meta=META)

    modes = {path.name: path.stat().st_mode & 0o044 for path in (folder, *folder.iterdir())}
    assert set(modes.values()) == {0o044 & ~_umask()}, modes


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
