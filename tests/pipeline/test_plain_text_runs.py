"""Whole runs that learn plain texts, tiny and random: nothing is cut, nothing is lost."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from burnish.errors import CheckError, ModelTaskError, RecipeError
from burnish.files import read_json
from burnish.pipeline.answer import answer_file, answer_texts, open_model
from burnish.pipeline.check import check
from burnish.pipeline.evaluate import evaluate_file
from burnish.pipeline.export import export
from burnish.pipeline.run import Outcome, run
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe
from burnish.runfolder import read_predictions

STORE = "sqlite:///burnish.db"
WORDS = tuple(f"word{at}" for at in range(40))
LONG = " ".join(WORDS * 3)


def save_model(folder: Path, tokenizer: Any) -> None:
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), pad_token_id=0, bos_token_id=1, eos_token_id=2, hidden_size=32,
        intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def save_texts(path: Path) -> Path:
    """Write sixty texts of words that come in a fixed order, one much longer than a piece."""
    rng = np.random.default_rng(0)
    starts, sizes = rng.integers(0, 30, 60), rng.integers(3, 9, 60)
    texts = [" ".join(WORDS[s : s + n]) for s, n in zip(starts, sizes, strict=True)]
    path.write_text("\n".join([*texts, LONG]) + "\n\n", "utf-8")
    return path


def recipe(folder: Path, **changes: Any) -> Recipe:
    written = {
        "name": "tiny",
        "task": {"kind": "causal-lm-text", "max_length": 16},
        "model": str(folder / "base"),
        "data": {"from": str(save_texts(folder / "texts.txt"))},
        "split": {"validation": 0.2, "test": 0.2, "by": "random"},
        "training": {"epochs": 6, "learning_rate": 1e-2, "batch_size": 8, "threads": 1},
        "evaluation": {"resamples": 100},
        "tracking": {"uri": f"sqlite:///{folder}/burnish.db", "system_metrics": False,
                     "register": "tiny-plain"},
    }  # fmt: skip
    return validate(Document(written | changes, {}, "the recipe"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, workplace: Path, byte_level: Any) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    save_model(folder / "base", byte_level(" ".join(WORDS), size=400))
    return folder


@pytest.fixture(scope="module")
def outcome(place: Path) -> Outcome:
    return run(recipe(place), out=place / "run")


def test_a_model_that_foretells_the_texts_better_than_its_base_is_shipped(
    outcome: Outcome,
) -> None:
    values = {(s.system, s.metric): s.value for s in outcome.scores if s.split == "test"}

    names = ("loss", "perplexity", "top1", "top5")
    assert set(values) == {(s, m) for s in ("tuned", "base") for m in names}
    assert values["base", "top1"] < values["tuned", "top1"] < values["tuned", "top5"] < 1
    assert values["tuned", "perplexity"] < values["base", "perplexity"] / 3
    assert (outcome.verdict["verdict"], outcome.verdict["metric"]) == ("ship", "perplexity")
    assert outcome.verdict["reasons"][0].startswith("tuned beats base by ")


def test_every_line_is_in_the_ledger_and_long_texts_are_cut_nowhere(outcome: Outcome) -> None:
    ledger = read_json(outcome.folder.ledger)

    assert ledger["balances"]
    assert ledger["totals"]["rows_in"] == 62
    assert ledger["totals"]["dropped"] == {"blank-line": 1}
    assert (ledger["totals"]["rows_cut"], ledger["totals"]["tokens_lost"]) == (0, 0)
    found = [
        one
        for part in ("train", "validation", "test")
        for one in read_predictions(outcome.folder.predictions("tuned", part))
    ]
    assert len({one.example_id for one in found}) == len(found) == 61
    # A token a word or a few; the first is given.
    assert max(one.scores["tokens"] for one in found) >= len(LONG.split()) - 1


def test_the_page_shows_texts_and_what_tuning_did_to_them(outcome: Outcome) -> None:
    page = outcome.folder.report.read_text("utf-8")

    assert "Text by text" in page
    assert "Least likely to the tuned model" in page
    assert "the model before tuning" in page
    assert "Answers side by side" not in page


def test_the_saved_model_finds_texts_as_likely_as_it_was_judged(
    outcome: Outcome, place: Path
) -> None:
    judged = {
        one.example_id: one.scores
        for part in ("train", "validation", "test")
        for one in read_predictions(outcome.folder.predictions("tuned", part))
    }
    opened = open_model(str(outcome.folder.root), tracking_uri=STORE)

    answers, told = answer_file(opened, place / "texts.txt")
    scores, _ = evaluate_file(opened, place / "texts.txt")

    assert told == "62 rows in = 61 answered + 1 without a text"
    for one in answers:
        assert one.scores["tokens"] == judged[one.example_id]["tokens"]
        assert one.scores["log_likelihood"] == pytest.approx(
            judged[one.example_id]["log_likelihood"], abs=1e-3
        )
    assert {one.metric: one.n for one in scores} == dict.fromkeys(
        ("loss", "perplexity", "top1", "top5"), 61
    )
    (single,) = answer_texts(opened, ["word1 word2 word3"])
    assert (single.answer, single.scores["tokens"] > 0) == ((), True)


def test_the_registered_model_answers_as_the_folder_does(outcome: Outcome, place: Path) -> None:
    opened = open_model("models:/tiny-plain/1", tracking_uri=f"sqlite:///{place}/burnish.db")
    folder = open_model(str(outcome.folder.root), tracking_uri=STORE)

    assert answer_texts(opened, [LONG]) == answer_texts(folder, [LONG])


@pytest.mark.parametrize("form", ["merged", "gguf"])
def test_what_is_exported_finds_them_as_likely(form: str, outcome: Outcome, tmp_path: Path) -> None:
    folder, parity = export(outcome.folder.root, form, tmp_path / "out")

    assert parity.holds
    assert "some text" in (folder / "README.md").read_text("utf-8")


def test_an_export_for_classifiers_is_refused(outcome: Outcome, tmp_path: Path) -> None:
    with pytest.raises(ModelTaskError, match="not written as ONNX"):
        export(outcome.folder.root, "onnx", tmp_path / "out")


def test_the_run_is_a_start_for_a_task_that_writes(outcome: Outcome, place: Path) -> None:
    triples = zip(WORDS, WORDS[1:], WORDS[2:], strict=False)
    rows = [{"input": f"{a} {b}", "output": c} for a, b, c in triples]
    (place / "rows.json").write_text(json.dumps(rows), "utf-8")
    asked = {
        "task": {"kind": "causal-lm", "prompt": "{input}", "generation": {"max_new_tokens": 4}},
        "model": str(outcome.folder.root), "data": {"from": str(place / "rows.json")},
        "training": {"epochs": 1, "batch_size": 8, "threads": 1}, "tracking": {"trackers": []},
    }  # fmt: skip

    second = run(recipe(place, **asked), out=place / "second")

    values = {s.system: s.value for s in second.scores if s.metric == "loss" and s.split == "test"}
    assert set(values) == {"tuned", "base"}
    assert values["base"] < np.log(300)  # it has learned what word follows another


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"task": {"kind": "causal-lm-text", "prompt": "{input}"}}, "prompt"),
        ({"task": {"kind": "causal-lm-text", "max_length": "p20"}}, "percentile"),
        ({"evaluation": {"baselines": ["retrieval"]}}, "retrieval"),
        ({"evaluation": {"metrics": ["rougeL"]}}, "do not fit a plain-text task"),
    ],
)
def test_what_plain_texts_cannot_have_is_refused_before_any_work(
    changes: dict[str, Any], told: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=told):
        run(recipe(place, **changes), out=tmp_path / "run")


def test_a_check_of_answers_and_a_piece_longer_than_the_model_reads_are_refused(
    place: Path, tmp_path: Path
) -> None:
    data = {"from": str(place / "texts.txt"), "checks": [{"kind": "null-label", "action": "drop"}]}
    with pytest.raises(
        RecipeError, match="null-label does not apply to tasks whose answers are no"
    ):
        run(recipe(place, data=data), out=tmp_path / "one")
    task = {"kind": "causal-lm-text", "max_length": 200}
    with pytest.raises(ModelTaskError, match=r"pieces of .* tokens are more than") as raised:
        run(recipe(place, task=task), out=tmp_path / "two")

    assert raised.value.fix == "set `task.max_length: 64` or less"


def test_a_look_before_training_tells_the_rows_and_the_cost(place: Path) -> None:
    found = check(recipe(place))

    assert found.entries[0].rows_in == 62
    assert not [one for one in found.findings if one.severity == "error"]
    assert "read in " in found.remarks[0]
    assert " pieces of up to 16 tokens" in found.remarks[0]


def test_texts_on_two_sides_are_found(place: Path, tmp_path: Path) -> None:
    (tmp_path / "validation.txt").write_text(LONG + "\n", "utf-8")
    data = {"train": str(place / "texts.txt"), "validation": str(tmp_path / "validation.txt")}

    with pytest.raises(CheckError, match="leak"):
        run(recipe(place, data=data), out=tmp_path / "run")
