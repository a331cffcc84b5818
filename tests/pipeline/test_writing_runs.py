"""Whole runs of models that write, tiny and random: what is judged is what is saved."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from burnish.data.file_form import FileForm
from burnish.errors import CheckError, ModelTaskError
from burnish.files import read_json, read_jsonl
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
WORDS = tuple(f"word{at}" for at in range(60))
SPECIAL = ("[PAD]", "[UNK]", "[START]", "[END]")
KINDS = ("causal-lm full", "causal-lm lora", "seq2seq full", "seq2seq pair")
TOKENS = {"vocab_size": 64, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}


def save_model(folder: Path, task: str, kind: str) -> None:
    """Write a random model with a tokenizer of whole words; a pair starts from one encoder."""
    torch.manual_seed(3)
    if task == "causal-lm":
        config: Any = transformers.LlamaConfig(
            **TOKENS, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        )  # fmt: skip
        model = transformers.AutoModelForCausalLM.from_config(config)
    elif kind == "pair":
        config = transformers.BertConfig(
            vocab_size=64, pad_token_id=0, hidden_size=32, intermediate_size=64,
            num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64,
        )  # fmt: skip
        model = transformers.BertModel(config)
    else:
        config = transformers.T5Config(
            **TOKENS, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
            decoder_start_token_id=0,
        )  # fmt: skip
        model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    model.save_pretrained(folder)
    vocabulary = {name: at for at, name in enumerate(SPECIAL + WORDS)}
    pad, unknown, start, end = SPECIAL
    # An encoder's tokenizer has no end mark of its own, but a separator.
    marks = {"cls_token": start, "sep_token": end} if kind == "pair" else {"eos_token": end}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=pad, unk_token=unknown, **marks
    ).save_pretrained(folder)


def save_rows(path: Path, count: int = 60, **last: Any) -> Path:
    """Write rows whose answer is the last two words of the input; `last` replaces keys of one."""
    rng = np.random.default_rng(0)
    rows = []
    for at in range(count):
        words = rng.choice(WORDS, size=int(rng.integers(3, 9))).tolist()
        rows.append({"question": " ".join(words), "reply": " ".join(words[-2:]), "talk": at // 2})
    rows[-1] |= last
    path.write_text(json.dumps(rows), "utf-8")
    return path


def recipe(folder: Path, kind: str, **changes: Any) -> Recipe:
    task, method = kind.split()
    save_model(folder / "base", task, method)
    asked = {"prompt": "{input}"} if task == "causal-lm" else {}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "task": {"kind": task, "generation": {"max_new_tokens": 6}} | asked
            | changes.pop("task", {}),
            "model": str(folder / "base"),
            "data": {
                "from": str(save_rows(folder / "rows.json", **changes.pop("last", {}))),
                "input": "question", "output": "reply", "group": "talk",
            },
            "split": {"validation": 0.2, "test": 0.2},
            "method": {"kind": "lora" if method == "lora" else "full"},
            "training": {"epochs": 2, "learning_rate": 1e-2, "batch_size": 8, "threads": 1},
            "evaluation": {"resamples": 100},
            "tracking": {"uri": f"sqlite:///{folder}/burnish.db", "system_metrics": False,
                         "register": "tiny"},
        }
        | changes
    )  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def outcome(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, workplace: Path
) -> Outcome:
    folder = tmp_path_factory.mktemp(request.param.split()[1])
    return run(recipe(folder, request.param), out=folder / "run")


def test_every_system_is_judged_on_the_same_rows(outcome: Outcome) -> None:
    scores = read_json(outcome.folder.scores)
    systems = {one["system"] for one in scores}

    assert systems >= {"tuned", "majority", "retrieval"}
    # Half of a warm-started pair is new, so there is no base that could answer.
    assert ("base" in systems) == (outcome.folder.root.parent.name[:4] != "pair")
    assert len({one["n"] for one in scores if one["split"] == "test"}) == 1
    assert {one["metric"] for one in scores if one["system"] == "tuned"} >= {
        "rouge1", "rouge2", "rougeL", "rougeLsum", "bleu", "chrf", "exact_match", "loss",
        "perplexity", "top1", "top5",
    }  # fmt: skip
    assert outcome.verdict["metric"] == "rougeL"
    assert outcome.folder.report.stat().st_size > 10_000


def test_the_ledger_balances_and_the_curve_tells_loss_and_perplexity(outcome: Outcome) -> None:
    entries = read_json(outcome.folder.ledger)["entries"]
    for entry in entries:
        gone = sum(entry["dropped"].values()) + sum(entry["moved"].values())
        assert entry["rows_in"] == entry["kept"] + gone
    epochs = [one for one in read_jsonl(outcome.folder.history) if one["kind"] == "epoch"]

    assert len(epochs) == 2
    told = set(epochs[-1]["metrics"])
    assert {"train/loss", "validation/loss", "validation/perplexity", "validation/top1"} <= told
    assert "train/top1" not in told  # not counted where a model learns
    assert epochs[-1]["metrics"]["train/loss"] < epochs[0]["metrics"]["train/loss"]


def test_the_saved_model_writes_what_was_judged(outcome: Outcome) -> None:
    said = read_predictions(outcome.folder.predictions("tuned", "test"))
    rows = {one["id"]: one["text"] for one in _test_rows(outcome)}
    texts = [rows[one.example_id] for one in said]

    for place in (str(outcome.folder.root), "models:/tiny/1"):
        store = f"sqlite:///{outcome.folder.root.parent}/burnish.db"
        answers = answer_texts(open_model(place, tracking_uri=store), texts)
        assert [one.answer for one in answers] == [one.answer for one in said]


def test_a_labelled_file_is_scored(outcome: Outcome, tmp_path: Path) -> None:
    model = open_model(str(outcome.folder.root), tracking_uri=STORE)

    rows = save_rows(tmp_path / "new.json", 12, reply=None)
    form = FileForm(group_column="talk")
    scores, told = evaluate_file(model, rows, form, out=tmp_path / "out")

    assert told.startswith("12 rows in = 11 answered + 1 without a text or a label; intervals by")
    assert {one.metric for one in scores} >= {"rougeL", "exact_match", "loss"}
    assert len(read_predictions(tmp_path / "out" / "predictions" / "tuned.new.jsonl")) == 11


@pytest.mark.filterwarnings("ignore")  # transformers' pipeline warns of its own defaults
def test_the_merged_model_writes_the_same_and_others_open_it(
    outcome: Outcome, tmp_path: Path
) -> None:
    place, parity = export(outcome.folder.root, "merged", tmp_path / "merged")
    said = read_predictions(outcome.folder.predictions("tuned", "test"))
    rows = {one["id"]: one["text"] for one in _test_rows(outcome)}

    assert parity.holds
    assert parity.equal_answers == parity.rows == len(said)
    if read_json(place / "config.json")["model_type"] == "llama":
        pipe = transformers.pipeline("text-generation", model=str(place))
        made = [
            pipe(rows[one.example_id], max_new_tokens=6, do_sample=False, return_full_text=False)
            for one in said
        ]
        assert [one[0]["generated_text"].strip() for one in made] == [p.answer[0] for p in said]


SEARCHES: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beams": {"beams": 3, "no_repeat_ngram": 2, "length_penalty": 0.2},
}
AS_SAVED = {
    "greedy": {"do_sample": False, "max_new_tokens": 6},
    "beams": {"num_beams": 3, "no_repeat_ngram_size": 2, "length_penalty": 0.2},
}


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("kind", ["causal-lm full", "seq2seq full"])
def test_the_saved_folder_by_itself_has_others_write_what_was_judged(
    kind: str, search: str, tmp_path: Path, workplace: Path, caplog: pytest.LogCaptureFixture
) -> None:
    generation = {"max_new_tokens": 6} | SEARCHES[search]
    done = run(recipe(tmp_path, kind, task={"generation": generation}), out=tmp_path / "run")
    said = read_predictions(done.folder.predictions("tuned", "test"))
    rows = {one["id"]: one["text"] for one in _test_rows(done)}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = [_written(done.folder.model, rows[one.example_id]) for one in said]

    assert made == [one.answer[0] for one in said]
    told = read_json(done.folder.model / "generation_config.json")
    assert told | AS_SAVED["greedy"] | AS_SAVED[search] == told
    assert not [one for one in caplog.records if "generat" in one.getMessage()]


def test_an_adapter_opens_from_anywhere_and_tells_of_one_below_it(
    tmp_path: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = recipe(tmp_path, "causal-lm lora").model_dump()
    monkeypatch.chdir(tmp_path)
    first = run(Recipe.model_validate(asked | {"model": "base"}), out=tmp_path / "first").folder
    second = run(Recipe.model_validate(asked | {"model": "first"}), out=tmp_path / "second").folder

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for folder, base in ((first, tmp_path / "base"), (second, first.model)):
        told = read_json(folder.model / "adapter_config.json")["base_model_name_or_path"]
        card = (folder.model / "README.md").read_text()
        assert told == str(base)
        assert ("an adapter itself" in card) == (folder is second)
        assert ("AutoPeftModel" in card) == (folder is first)
        assert answer_texts(open_model(str(folder.root), tracking_uri=STORE), [WORDS[0]])


def _written(folder: Path, text: str) -> str:
    """Return what transformers writes with a model folder as it stands."""
    if read_json(folder / "config.json")["model_type"] == "llama":
        pipe = transformers.pipeline("text-generation", model=str(folder), device="cpu")
        return str(pipe(text, return_full_text=False)[0]["generated_text"]).strip()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    asked = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
    return str(tokenizer.decode(model.generate(**asked)[0], skip_special_tokens=True)).strip()


def test_a_model_tuned_further_writes_by_its_own_settings(tmp_path: Path, workplace: Path) -> None:
    first = recipe(tmp_path, KINDS[0], task={"generation": SEARCHES["beams"]})
    before = run(first, out=tmp_path / "first").folder
    again = {"kind": "causal-lm", "prompt": "{input}", "generation": {"max_new_tokens": 9}}
    second = first.model_copy(update={"model": str(before.root)})

    after = run(
        Recipe.model_validate(second.model_dump() | {"task": again, "method": {"kind": "lora"}}),
        out=tmp_path / "second",
    ).folder

    told = read_json(after.model / "generation_config.json")
    assert told | {"do_sample": False, "max_new_tokens": 9, "eos_token_id": [3]} == told
    assert not {"num_beams", "no_repeat_ngram_size", "length_penalty"} & told.keys()
    assert read_json(before.model / "generation_config.json")["num_beams"] == 3


def test_a_decoder_without_a_padding_token_learns_and_writes_as_with_one(
    tmp_path: Path, workplace: Path
) -> None:
    done = {}
    for name in ("with", "without"):
        (tmp_path / name).mkdir()
        asked = recipe(tmp_path / name, KINDS[0], task={"generation": {"max_new_tokens": 12}})
        if name == "without":
            _without_padding(tmp_path / name / "base")
        done[name] = run(asked, out=tmp_path / name / "run")

    plain, padded = (
        read_predictions(one.folder.predictions("tuned", "test")) for one in done.values()
    )
    model = done["without"].folder.model
    rows = {one["id"]: one["text"] for one in _test_rows(done["without"])}
    texts = [rows[one.example_id] for one in padded]
    again = answer_texts(open_model(str(model), tracking_uri=STORE), texts)

    assert any(one.scores["complete"] for one in padded)  # the end mark was learned
    assert [one.answer for one in padded] == [one.answer for one in plain]
    for one, other in zip(padded, plain, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
    assert [one.answer for one in again] == [one.answer for one in padded]
    assert [_written(model, text) for text in texts] == [one.answer[0] for one in padded]
    assert read_json(model / "config.json")["pad_token_id"] == TOKENS["eos_token_id"]


def _without_padding(folder: Path) -> None:
    """Take the padding token out of a saved model, as most decoders are published."""
    config = read_json(folder / "config.json") | {"pad_token_id": None}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    (folder / "generation_config.json").unlink()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)


CHAT = "{% for m in messages %}{{ m.content }} [START] {% endfor %}"


def test_conversations_are_learned_and_answered_as_judged(tmp_path: Path, workplace: Path) -> None:
    rng, talks = np.random.default_rng(1), []
    for _ in range(40):
        said = [" ".join(rng.choice(WORDS, size=3).tolist()) for _ in range(3)]
        roles = ("user", "assistant", "user", "assistant")
        pairs = zip(roles, (*said, said[0]), strict=True)
        talks.append({"messages": [{"role": role, "content": text} for role, text in pairs]})
    (tmp_path / "talks.json").write_text(json.dumps(talks), "utf-8")
    asked = recipe(
        tmp_path, KINDS[0], task={"prompt": None},
        data={"from": str(tmp_path / "talks.json"), "input": "messages", "output": None},
    )  # fmt: skip
    tokenizer = PreTrainedTokenizerFast.from_pretrained(tmp_path / "base")
    tokenizer.chat_template = CHAT
    tokenizer.save_pretrained(tmp_path / "base")

    done = run(asked, out=tmp_path / "run")

    judged = read_predictions(done.folder.predictions("tuned", "test"))
    kept = {one["id"]: one["turns"] for one in _test_rows(done)}
    new = tmp_path / "new.json"
    new.write_text(json.dumps([{"messages": kept[one.example_id]} for one in judged]), "utf-8")
    model = open_model(str(done.folder.root), tracking_uri=STORE)
    answers, told = answer_file(model, new)
    assert {len(turns) for turns in kept.values()} == {3}
    assert [one.answer for one in answers] == [one.answer for one in judged]
    assert told == f"{len(judged)} rows in = {len(judged)} answered + 0 without a text"


def _test_rows(outcome: Outcome) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pl.read_parquet(outcome.folder.splits / "test.parquet").to_dicts()
    return found


Case = Callable[[Path], Recipe]
LONG = {"reply": " ".join(WORDS[:30])}


def test_an_answer_too_long_is_an_error_with_its_row(tmp_path: Path, workplace: Path) -> None:
    asked = recipe(tmp_path, KINDS[0], task={"max_output_length": 8}, last=LONG | {"talk": 1})

    found = check(asked)

    assert isinstance(found.error, CheckError)
    assert "1 train row(s) have an answer of more than 8 tokens" in str(found.error)
    assert "rows.json row 60" in str(found.error)


@pytest.mark.parametrize("action", ["drop", "cut"])
def test_an_answer_too_long_is_dropped_or_cut_and_counted(
    action: str, tmp_path: Path, workplace: Path
) -> None:
    asked = recipe(
        tmp_path, KINDS[0], task={"max_output_length": 8, "long_answers": action},
        last=LONG | {"talk": 1},
    )  # fmt: skip

    found = check(asked)
    kept = {(one.stage, one.split): one for one in found.entries}

    assert found.error is None
    assert [one.code for one in found.findings if one.code == "long-answer"] == ["long-answer"]
    if action == "drop":
        assert kept["length", "train"].dropped == {"long-answer": 1}
    else:
        assert kept["encode", "train"].rows_cut == 1
        assert kept["encode", "train"].tokens_lost == 31 - 8


TOO_LONG: dict[str, tuple[str, dict[str, Any], dict[str, Any], str]] = {
    "inputs": (KINDS[0], {"max_input_length": 100}, {"question": " ".join(WORDS)}, "max_input"),
    "answers": (KINDS[0], {}, {"reply": " ".join(WORDS * 2)}, "max_output"),
    "both": (
        KINDS[0], {"max_input_length": 100},
        {"question": " ".join(WORDS), "reply": " ".join(WORDS * 2)}, "max_output",
    ),
    "answers of a pair": ("seq2seq pair", {}, {"reply": " ".join(WORDS * 2)}, "max_output"),
    "inputs of a pair": (
        "seq2seq pair", {"max_input_length": 100}, {"question": " ".join(WORDS * 2)}, "max_input"
    ),
    "written": (KINDS[0], {"generation": {"max_new_tokens": 60}}, {}, "max_new_tokens"),
}  # fmt: skip


@pytest.mark.parametrize("case", TOO_LONG)
def test_rows_longer_than_the_model_takes_are_refused_with_keys_that_help(
    case: str, tmp_path: Path, workplace: Path
) -> None:
    kind, task, last, key = TOO_LONG[case]
    asked = recipe(tmp_path, kind, task=task, last=last)

    error = check(asked).error

    assert isinstance(error, ModelTaskError)
    assert "takes, which is 64" in error.what
    assert f"task.{key}" in error.fix.replace("generation.", "")
    assert not last or error.where.endswith("rows.json:60")
    fixes = re.findall(r"`([\w.]+): (\w+)`", error.fix)
    document = Document(asked.model_dump(mode="json"), {}, "recipe.yaml")
    assert check(validate(document, [f"{name}={value}" for name, value in fixes])).error is None
