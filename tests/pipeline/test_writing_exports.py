"""`burnish export` of models that write: what leaves is held to the answers that were judged."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from burnish.cli.main import main
from burnish.errors import ModelTaskError, ParityError
from burnish.evaluation.report.runfiles import read_rows
from burnish.files import read_json
from burnish.pipeline.export import export
from burnish.pipeline.run import Outcome, run
from burnish.recipe.recipe import Recipe
from burnish.runfolder import read_predictions
from burnish.training.exports import gguf
from burnish.training.modelfolder import Answerer

WORDS = tuple(f"word{at}" for at in range(40))
TOKENS = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def save_model(folder: Path, task: str, tokenizer: Any) -> None:
    """Write a random model with its tokenizer."""
    torch.manual_seed(3)
    tokens = TOKENS | {"vocab_size": len(tokenizer)}
    if task == "causal-lm":
        config: Any = transformers.LlamaConfig(
            **tokens, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        )  # fmt: skip
        model = transformers.AutoModelForCausalLM.from_config(config)
    else:
        config = transformers.T5Config(
            **tokens, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
            decoder_start_token_id=0,
        )  # fmt: skip
        model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    for weight in model.parameters():  # or every row would get the same answer
        weight.data *= (8 if task == "causal-lm" else 3) if weight.ndim > 1 else 1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def recipe(folder: Path, task: str, method: dict[str, Any], **search: Any) -> Recipe:
    rng = np.random.default_rng(0)
    said = [" ".join(rng.choice(WORDS, size=int(rng.integers(3, 9)))) for _ in range(60)]
    rows = [{"question": one, "reply": " ".join(one.split()[-2:])} for one in said]
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    asked = {"prompt": "{input}"} if task == "causal-lm" else {}
    return Recipe.model_validate(
        {
            "name": "tiny",
            "task": {"kind": task, "generation": {"max_new_tokens": 6} | search} | asked,
            "model": str(folder / "base"),
            "data": {"from": str(folder / "rows.json"), "input": "question", "output": "reply"},
            "split": {"validation": 0.2, "test": 0.3},
            "method": method,
            "training": {"epochs": 1, "learning_rate": 1e-3, "batch_size": 8, "threads": 1,
                         "precision": "fp32"},
            "evaluation": {"resamples": 100, "baselines": ("majority",)},
            "tracking": {"trackers": ()},
        }
    )  # fmt: skip


Runs = Callable[..., Outcome]
BEAMS = {"beams": 3, "no_repeat_ngram": 3, "length_penalty": 0.1}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, workplace: Path, byte_level: Any) -> Runs:
    """Finished runs, made when first asked for."""
    made: dict[str, Outcome] = {}

    def get(task: str, *, bits: int | None = None, **search: Any) -> Outcome:
        name = f"{task}-{bits}" if bits else f"{task}-beams" if search else task
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            save_model(folder / "base", task, byte_level(" ".join(WORDS), size=400))
            method: dict[str, Any] = {"kind": "lora" if task == "causal-lm" else "full"}
            if bits:
                method = {"kind": "qlora", "bits": bits, "rank": 4}
            made[name] = run(recipe(folder, task, method, **search), out=folder / "run")
        return made[name]

    return get


@pytest.mark.parametrize(
    ("task", "form", "file", "equal", "apart"),
    [
        ("causal-lm", "gguf", "model.gguf", 0.9, 0.01),
        ("causal-lm", "gguf-q8_0", "model.gguf", 0.4, 0.2),
        ("seq2seq", "onnx", "decoder.onnx", 1.0, 1e-4),
    ],
)
def test_judged_answers_come_back_within_what_the_form_rounds(
    task: str, form: str, file: str, equal: float, apart: float, runs: Runs, tmp_path: Path
) -> None:
    place, parity = export(runs(task).folder.root, form, tmp_path / form)

    kept = read_json(place / "parity.json")
    assert (place / file).is_file()
    assert parity.rows == kept["rows"] > 10
    assert parity.equal_answers >= equal * parity.rows
    assert parity.largest_score_difference < apart
    assert kept["least_equal_share"] <= equal
    assert kept["holds"] is True


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize(
    ("task", "form"), [("causal-lm", "merged"), ("causal-lm", "gguf"), ("seq2seq", "merged"),
                       ("seq2seq", "onnx")],
)  # fmt: skip
def test_a_model_tuned_beside_packed_weights_is_opened_and_exported_as_it_was_judged(
    task: str, form: str, bits: int, runs: Runs, tmp_path: Path
) -> None:
    folder = runs(task, bits=bits).folder
    judged = read_predictions(folder.predictions("tuned", "test"))
    texts = {row["id"]: row["text"] for row in read_rows(folder.splits / "test.parquet").to_dicts()}

    found = Answerer.open(folder.model).answer([texts[one.example_id] for one in judged])
    _, parity = export(folder.root, form, tmp_path / form)

    assert read_json(folder.model / "burnish.json")["base_bits"] == bits
    assert [one.answer for one in found] == [one.answer for one in judged]
    assert parity.equal_answers >= (0.9 if form == "gguf" else 1.0) * parity.rows > 10
    assert parity.largest_score_difference < (0.01 if form == "gguf" else 1e-4)


@pytest.mark.parametrize("form", ["gguf", "gguf-q8_0"])
def test_a_file_with_its_rows_in_the_wrong_order_is_refused(
    form: str, runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gguf, "_side_by_side", lambda weight, _: weight)

    with pytest.raises(ParityError, match="answers otherwise") as raised:
        export(runs("causal-lm").folder.root, form, tmp_path / form)

    assert raised.value.exit_code == 1
    assert read_json(tmp_path / form / "parity.json")["holds"] is False


def test_a_form_the_model_cannot_have_is_refused_with_one_it_can(
    runs: Runs, tmp_path: Path
) -> None:
    for task, form, fix in (("causal-lm", "onnx", "gguf"), ("seq2seq", "gguf", "merged")):
        with pytest.raises(ModelTaskError) as raised:
            export(runs(task).folder.root, form, tmp_path / form)
        assert f"--format {fix}" in raised.value.fix


@pytest.mark.filterwarnings("ignore")  # transformers' pipeline warns of its own defaults
@pytest.mark.parametrize(
    ("task", "form", "search"),
    [
        ("causal-lm", None, {}), ("causal-lm", "merged", {}), ("causal-lm", "gguf", {}),
        ("seq2seq", None, {}), ("seq2seq", "onnx", {}),
        ("causal-lm", None, BEAMS), ("causal-lm", "merged", BEAMS), ("seq2seq", None, BEAMS),
    ],
)  # fmt: skip
def test_the_code_on_the_model_card_writes_what_was_judged(
    task: str, form: str | None, search: dict[str, Any], runs: Runs, tmp_path: Path
) -> None:
    if form == "gguf":
        pytest.importorskip("llama_cpp", reason="comes with the extra starter-lm")
    folder = runs(task, **search).folder
    place = export(folder.root, form, tmp_path / form)[0] if form else folder.model
    card = (place / "README.md").read_text()
    code = card.split("```python\n")[1].split("\n```")[0]
    texts = {row["id"]: row["text"] for row in read_rows(folder.splits / "test.parquet").to_dicts()}

    equal = 0
    for judged in read_predictions(folder.predictions("tuned", "test"))[:4]:
        *lines, last = code.replace("path/to/this/folder", str(place)).split("\n")
        program = "\n".join([*lines, f"told = {last}"])
        names: dict[str, Any] = {}
        exec(program.replace("'some text'", repr(texts[judged.example_id])), names)  # noqa: S102
        # llama.cpp leaves out bytes that are no character, where others put a mark for them.
        told = [one.replace("\ufffd", "") for one in (judged.answer[0], _text(names["told"]))]
        equal += told[0].strip() == told[1].strip()

    assert equal >= (2 if form == "gguf" else 4)  # llama.cpp rounds what it computes with, too


def _text(told: Any) -> str:
    """Return the text in what a library answers with."""
    if isinstance(told, list):
        return str(told[0]["generated_text"])
    return str(told["choices"][0]["text"] if isinstance(told, dict) else told)


def test_the_command_tells_the_folder_and_the_proof(
    runs: Runs, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = runs("causal-lm").folder.root
    with pytest.raises(SystemExit) as ended:
        main(["export", str(root), "--format", "gguf", "--out", str(tmp_path / "out"), "--json"])

    told = capsys.readouterr()
    assert ended.value.code in (0, None)
    assert json.loads(told.out)["folder"] == str(tmp_path / "out")
    assert "at least 90.0 % asked" in told.err
