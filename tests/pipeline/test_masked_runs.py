"""Whole runs that foretell hidden words: made up, selected, tuned, held against a control."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from burnish.errors import BurnishError, ModelTaskError
from burnish.evaluation.report.render import render
from burnish.files import read_json, write_jsonl
from burnish.pipeline.answer import answer_texts, open_model
from burnish.pipeline.check import check
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.evaluate import evaluate_file
from burnish.pipeline.export import export
from burnish.pipeline.plugins import check_plugins
from burnish.pipeline.run import Outcome, run
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe
from burnish.runfolder import read_predictions

SPEC = """
rows: 400
nulls: 0.1
words:
  thing: [cup, table, lamp, chair, door, spoon, shelf, mirror, carpet, drawer]
  praise: [good, great, lovely, perfect, wonderful, excellent, beautiful, superb]
  blame: [bad, ugly, awful, terrible, poor, horrible, useless, dreadful]
templates:
  - {label: positive, frame: is, text: "the {thing} is {praise}"}
  - {label: positive, frame: a, text: "a {praise} {thing}"}
  - {label: positive, frame: and, text: "{thing} and {thing.2} are {praise}"}
  - {label: positive, frame: find, text: "we find the {thing} {praise}"}
  - {label: negative, frame: is, text: "the {thing} is {blame}"}
  - {label: negative, frame: a, text: "a {blame} {thing}"}
  - {label: negative, frame: and, text: "{thing} and {thing.2} are {blame}"}
  - {label: negative, frame: find, text: "we find the {thing} {blame}"}
"""
PAD, UNKNOWN, START, END, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = (
    "cup table lamp chair door spoon shelf mirror carpet drawer good great lovely perfect "
    "wonderful excellent beautiful superb bad ugly awful terrible poor horrible useless dreadful "
    "the is a and are we find"
)


def save_encoder(folder: Path) -> None:
    """Write a random BERT without a layer of words."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = {word: at for at, word in enumerate((*SPECIAL, *WORDS.split()))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(5)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=40, pad_token_id=0,
    )  # fmt: skip
    transformers.BertModel(config).save_pretrained(folder)
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, unk_token=UNKNOWN, cls_token=START,
        sep_token=END, mask_token=MASK,
    ).save_pretrained(folder)  # fmt: skip


def recipe(folder: Path, **changes: Any) -> Recipe:
    written = {
        "name": "tiny-masked",
        "task": {"kind": "masked-lm", "new_head": {"epochs": 2, "learning_rate": 1e-2}},
        "model": str(folder / "base"),
        "data": {
            "from": f"synth:{folder / 'spec.yaml'}",
            "checks": [{"kind": "near-leak", "action": "ignore"}],
            "signals": {"tone": {"kind": "sentiment"}},
            "select": "tone > 0",
        },
        "split": {"validation": 0.1, "test": 0.25},
        "training": {"epochs": 12, "learning_rate": 5e-3, "batch_size": 8, "threads": 1,
                     "keep": "last"},
        "evaluation": {
            "resamples": 100, "control": True, "general": "starter:sentences",
            "gates": [{"over": "base"}, {"over": "control"}],
            "probes": {"sentences": ["the cup is [MASK]", "a [MASK] [MASK]"], "hide": "praise",
                       "wanted": "tone > 0"},
        },
        "tracking": {"uri": f"sqlite:///{folder}/burnish.db", "system_metrics": False,
                     "register": "tiny-masked"},
    }  # fmt: skip
    return validate(Document(written | changes, {}, "the recipe"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, workplace: Path) -> Path:
    folder = tmp_path_factory.mktemp("masked")
    save_encoder(folder / "base")
    (folder / "spec.yaml").write_text(SPEC, "utf-8")
    return folder


@pytest.fixture(scope="module")
def outcome(place: Path) -> Outcome:
    return run(recipe(place), out=place / "run")


def test_what_stands_for_all_rows_is_of_no_group_that_is_judged(place: Path) -> None:
    texts = [f"{a} {b}" for a in ("cup", "bag", "hat") for b in ("good", "bad", "fine", "poor")]
    made = [
        {"text": f"{text} {number} item of {number * 7919 % 1009}", "page": f"page {number}"}
        for number in range(20)
        for text in texts
    ]
    write_jsonl(place / "pages.jsonl", made)
    grouped = {
        "from": str(place / "pages.jsonl"),
        "input": "text",
        "group": "page",
        "signals": {"praise": {"kind": "contains", "words": ["good", "fine"]}},
        "select": "praise",
    }

    found = execute(
        ("unselected", "splits", "loaded"),
        recipe=recipe(place, data=grouped, evaluation={"control": True}),
        context=Context.of_nothing(),
    )

    pages = dict(found["loaded"].rows["train"].select("id", "group").iter_rows())
    judged = {
        page for name, rows in found["splits"].items() if name != "train" for page in rows["group"]
    }
    assert len(judged) > 4
    assert not {pages[one] for one in found["unselected"].ids} & judged


def values(outcome: Outcome, split: str) -> dict[str, float]:
    return {
        s.system: s.value for s in outcome.scores if (s.split, s.metric) == (split, "perplexity")
    }


def test_the_tuned_model_beats_its_start_and_the_control(outcome: Outcome) -> None:
    found = values(outcome, "test")

    assert set(found) == {"tuned", "base", "control"}
    assert found["tuned"] < found["control"] < found["base"]
    assert outcome.verdict["verdict"] == "ship"


def test_what_is_forgotten_is_told_of_every_model(outcome: Outcome) -> None:
    assert set(values(outcome, "general")) == {"tuned", "base", "control"}


def test_no_sentence_that_blames_is_learned(outcome: Outcome) -> None:
    import polars as pl

    rows = pl.read_parquet(outcome.folder.splits / "train.parquet")
    blame = SPEC.split("blame: [")[1].split("]", maxsplit=1)[0].split(", ")

    assert rows.height > 80
    assert not rows.filter(pl.col("text").str.contains_any(blame)).height


def test_probes_tell_the_words_of_every_system(outcome: Outcome) -> None:
    probes = read_json(outcome.folder.probes)
    first, second = probes["sentences"]
    shares = probes["shares"]

    assert [len(one) for one in second["systems"]["tuned"]] == [5, 5]
    assert set(first["systems"]) == {"base", "control", "tuned"}
    assert shares["n"] > 2
    for name in ("base", "control"):
        gain = shares["gains"][name]
        assert gain["low"] <= gain["value"] <= gain["high"]
        wanted = [shares["systems"][one]["value"] for one in ("tuned", name)]
        assert gain["value"] == pytest.approx(wanted[0] - wanted[1])
    assert shares["gains"]["control"]["low"] > 0


def test_the_same_model_and_rows_give_the_same_figure(place: Path, outcome: Outcome) -> None:
    rows = read_predictions(outcome.folder.predictions("tuned", "test"))
    path = place / "again.jsonl"
    import polars as pl

    judged = pl.read_parquet(outcome.folder.splits / "test.parquet")
    judged.select("id", "text").reverse().write_ndjson(path)
    model = open_model(str(outcome.folder.root), tracking_uri=f"sqlite:///{place}/burnish.db")

    scores, _ = evaluate_file(model, path)

    again = {one.metric: one.value for one in scores}
    likelihood = -sum(p.scores["log_likelihood"] for p in rows)
    loss = likelihood / sum(p.scores["tokens"] for p in rows)
    assert again["loss"] == pytest.approx(loss, abs=1e-6)
    hits = sum(p.scores["top5"] for p in rows) / sum(p.scores["tokens"] for p in rows)
    assert again["top5"] == pytest.approx(hits)
    assert 0 < again["top1"] < again["top5"]


def test_a_text_with_masks_is_answered_by_what_fills_them(place: Path, outcome: Outcome) -> None:
    model = open_model(str(outcome.folder.root), tracking_uri=f"sqlite:///{place}/burnish.db")
    filled, plain = answer_texts(model, ["the [MASK] is [MASK]", "the cup is good"])

    told = json.loads(json.dumps(filled.to_json()))
    assert [len(mask) for mask in told["fills"]] == [5, 5]
    assert set(told["fills"][0][0]) == {"score", "token", "token_str", "sequence"}
    assert filled.answer == tuple(mask[0].token_str for mask in filled.fills)
    assert not plain.fills
    assert plain.scores["tokens"] == 4


def test_transformers_opens_the_model_and_fills_the_same(outcome: Outcome, place: Path) -> None:
    theirs = transformers.pipeline("fill-mask", model=str(outcome.folder.model))
    model = open_model(str(outcome.folder.root), tracking_uri=f"sqlite:///{place}/burnish.db")
    (mine,) = answer_texts(model, ["the cup is [MASK]"])

    wanted = theirs("the cup is [MASK]", top_k=5)
    assert [one.token for one in mine.fills[0]] == [one["token"] for one in wanted]


def test_the_report_shows_before_and_after(outcome: Outcome) -> None:
    page = render(outcome.folder).read_text("utf-8")

    assert "Before and after" in page
    assert "the cup is [MASK]" in page
    assert "What was forgotten" in page


def test_a_merged_export_answers_the_same(outcome: Outcome, place: Path) -> None:
    _, parity = export(outcome.folder.root, "merged", place / "merged")

    assert parity.holds
    assert parity.equal_answers == parity.rows > 10


@pytest.mark.parametrize("form", ["onnx", "gguf"])
def test_a_form_that_holds_no_such_model_is_refused(
    outcome: Outcome, place: Path, form: str
) -> None:
    with pytest.raises(ModelTaskError, match="masked-lm"):
        export(outcome.folder.root, form, place / form)


@pytest.mark.parametrize("method", [{"kind": "lora"}, {"kind": "qlora", "bits": 8}], ids=str)
def test_adapters_stand_over_the_head_that_was_trained_first(
    method: dict[str, Any], place: Path, tmp_path: Path
) -> None:
    training = {"epochs": 1, "learning_rate": 5e-3, "batch_size": 8, "threads": 1}
    asked = recipe(place, method=method | {"rank": 4}, training=training)
    found = run(asked, out=tmp_path / "run")

    assert values(found, "test")["tuned"] < values(found, "test")["base"]
    _, parity = export(tmp_path / "run", "merged", tmp_path / "merged")
    assert parity.holds


def test_a_classifier_starts_from_the_adapted_encoder(place: Path, outcome: Outcome) -> None:
    rows = [
        {"text": f"the {thing} is {word}", "label": label}
        for thing in WORDS.split()[:10]
        for label, words in (("yes", WORDS.split()[10:14]), ("no", WORDS.split()[18:22]))
        for word in words
    ]
    path = place / "labelled.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    written = {
        "task": {"kind": "text-classification", "max_length": 32},
        "model": str(outcome.folder.root),
        "data": {"from": str(path)}, "split": {"validation": 0.2, "test": 0.2, "by": "random"},
        "training": {"epochs": 3, "learning_rate": 3e-3, "batch_size": 8, "threads": 1},
        "evaluation": {"resamples": 100, "baselines": ["majority"]}, "tracking": {"trackers": []},
    }  # fmt: skip

    found = run(validate(Document(written, {}, "a recipe")), out=place / "classifier")

    scores = {s.system: s.value for s in found.scores if (s.split, s.metric) == ("test", "f1")}
    assert scores["tuned"] > 0.9


def test_a_check_tells_how_texts_are_read(place: Path) -> None:
    found = check(recipe(place))

    assert found.error is None
    assert any("pieces" in remark for remark in found.remarks)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": {"from": "synth:nowhere.yaml"}, "evaluation": {}}, "no such specification"),
        ({"task": "text-classification"}, "fills masks, and the task has none"),
        ({"evaluation": {"control": True}, "data": {"from": "synth:brand"}}, "not selected"),
        ({"evaluation": {"gates": [{"over": "control"}]}}, "no rival called 'control'"),
        ({"evaluation": {"probes": {"top_k": 3}}}, "neither sentences nor hide"),
        ({"evaluation": {"probes": {"sentences": ["a"], "wanted": "tune > 0"}}}, "tune"),
        ({"evaluation": {"probes": {"sentences": ["no mask"]}}}, "has no mask"),
        ({"evaluation": {"probes": {"hide": "thing"}}, "data": {"train": "texts.jsonl"}}, "thing"),
    ],
)
def test_what_does_not_fit_is_refused_before_training(
    place: Path, changes: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    Path("texts.jsonl").write_text('{"text": "the cup is good"}\n' * 30, "utf-8")

    def refused() -> None:
        wanted = recipe(place, **changes)
        check_plugins(wanted)
        run(wanted, out=place / f"refused-{abs(hash(words))}")

    with pytest.raises(BurnishError, match=words):
        refused()
