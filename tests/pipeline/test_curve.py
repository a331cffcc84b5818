"""The same recipe on parts of its rows: nested, judged alike, kept, and gone on with."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers

from burnish.errors import EmptyDataError, StorageError, UsageError
from burnish.files import read_json, read_jsonl, write_jsonl
from burnish.pipeline.curve import Curve, tune_curve
from burnish.pipeline.run import run
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe

PAD, UNKNOWN, START, END, MASK = SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
THINGS = {"fruit": ("apple", "pear", "plum"), "metal": ("iron", "zinc", "gold"),
          "bird": ("crow", "swan", "duck")}  # fmt: skip
FILLERS = ("then", "with", "some", "very", "here", "once", "more", "while", "under", "after",
           "before", "never", "always", "nearly", "quite", "rather")  # fmt: skip
WORDS = (*FILLERS, *(word for words in THINGS.values() for word in words))


def rows(count: int, *, seed: int) -> list[dict[str, Any]]:
    """Return texts whose label is told by one of their words; each document has five rows."""
    rng = np.random.default_rng(seed)
    made: dict[str, dict[str, Any]] = {}
    while len(made) < count:
        label = str(rng.choice(list(THINGS)))
        said = rng.permutation([*rng.choice(FILLERS, 6), rng.choice(THINGS[label])]).tolist()
        made[" ".join(said)] = {"text": " ".join(said), "label": label, "reply": " ".join(said[:2])}
    return [one | {"document": f"d{at // 5}"} for at, one in enumerate(made.values())]


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    vocabulary = {word: at for at, word in enumerate((*SPECIAL, *WORDS))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token=PAD, unk_token=UNKNOWN, cls_token=START,
        sep_token=END, mask_token=MASK, eos_token=END,
    )  # fmt: skip


def save_models(folder: Path) -> None:
    """Write a random encoder without any output layer, and a random decoder."""
    torch.manual_seed(5)
    size = {
        "vocab_size": len(SPECIAL) + len(WORDS), "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 300,
        "pad_token_id": 0,
    }  # fmt: skip
    transformers.BertModel(transformers.BertConfig(**size)).save_pretrained(folder / "encoder")
    config = transformers.LlamaConfig(**size, num_key_value_heads=2, bos_token_id=2, eos_token_id=3)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder / "decoder")
    for name in ("encoder", "decoder"):
        tokenizer().save_pretrained(folder / name)


@pytest.fixture(autouse=True)
def _settings_of_this_process() -> Any:
    """Undo what training sets for the whole process."""
    threads, matmul = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.set_float32_matmul_precision(matmul)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curve")
    save_models(folder)
    made = rows(300, seed=0)
    for name, part in (("train", made[:160]), ("validation", made[160:200]), ("test", made[200:])):
        write_jsonl(folder / "data" / f"{name}.jsonl", part)
    return folder


def recipe(place: Path, **changes: Any) -> Recipe:
    written = {
        "name": "things", "task": {"kind": "text-classification"}, "model": str(place / "encoder"),
        "data": {"from": str(place / "data"), "group": "document",
                 "checks": [{"kind": "near-leak", "action": "ignore"}]},
        "training": {"epochs": 2, "learning_rate": 5e-3, "batch_size": 16, "threads": 1,
                     "precision": "fp32"},
        "evaluation": {"resamples": 200, "baselines": ["majority", "tfidf-svm"]},
        "tracking": {"trackers": []},
    }  # fmt: skip
    merged = {
        key: written.get(key, {}) | value if isinstance(value, dict) else value
        for key, value in (written | changes).items()
    }
    return validate(Document(merged, {}, "the recipe"))


@pytest.fixture(scope="module")
def found(place: Path) -> Curve:
    return tune_curve(recipe(place), out=place / "out")


def told(curve: Curve) -> dict[str, Any]:
    """Return what was found, without what a clock tells."""
    timed = ("seconds", "trainings")
    return {key: value for key, value in curve.told.items() if key not in timed}


def test_every_size_is_judged_on_the_same_rows_by_files_alone(found: Curve) -> None:
    sizes = {path.name: path for path in sorted(found.folder.root.glob("size-*"))}

    assert list(sizes) == ["size-000020", "size-000040", "size-000080", "size-000160"]
    judged = {
        tuple(line["id"] for line in read_jsonl(file))
        for file in found.folder.root.glob("size-*/seed-0/predictions/*.test.jsonl")
    }
    assert [len(ids) for ids in judged] == [100]
    for path in sizes.values():
        names = sorted(one.name for one in (path / "seed-0").iterdir())
        assert names == ["done.json", "history.jsonl", "predictions"]
    assert found.told == read_json(found.folder.curve)


def test_what_is_told_has_intervals_and_an_outlook(found: Curve) -> None:
    known = found.told

    assert (known["metric"], known["split"], known["rows"], known["n"]) == (
        "macro_f1", "test", 160, 100,
    )  # fmt: skip
    assert [size["rows"] for size in known["sizes"]] == [20, 40, 80, 160]
    assert all(
        one["low"] <= one["value"] <= one["high"]
        for size in known["sizes"]
        for one in (*size["systems"].values(), size["lead"])
    )
    assert [one["rows"] for one in known["beyond"]] == [320, 640]
    assert (known["cheap"], known["groups"]) == ("tfidf-svm", 20)
    assert known["words"][0].startswith(
        "Twice as many rows (n = 320) would probably bring macro F1"
    )
    assert "Twice as many rows" in found.folder.page.read_text("utf-8")


def test_all_rows_give_the_very_answers_of_a_run(found: Curve, place: Path) -> None:
    outcome = run(recipe(place), out=place / "run")

    for system in ("tuned", "majority", "tfidf-svm"):
        ours = found.folder.training(160, 0).run.predictions(system, "test")
        assert ours.read_bytes() == outcome.folder.predictions(system, "test").read_bytes()
    ledger = (found.folder.root / "ledger.json").read_bytes()
    assert ledger == outcome.folder.ledger.read_bytes()


def test_a_stopped_curve_keeps_what_is_done_and_goes_on(
    found: Curve, place: Path, tmp_path: Path
) -> None:
    said: list[str] = []

    def stop_at_the_third(_: str, description: str) -> None:
        if description.startswith("80 of 160 rows"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune_curve(recipe(place), out=tmp_path / "out", announce=stop_at_the_third)
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("done.json")}
    again = tune_curve(
        recipe(place), out=tmp_path / "out", announce=lambda _, text: said.append(text)
    )

    assert len(kept) == 2
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert [text for text in said if text.endswith("kept from before")] == [
        "20 of 160 rows, seed 0: kept from before",
        "40 of 160 rows, seed 0: kept from before",
    ]
    assert told(again) == told(found)


def test_more_seeds_are_added_to_what_is_there(found: Curve, place: Path, tmp_path: Path) -> None:
    shutil.copytree(found.folder.root, tmp_path / "out")
    more = tune_curve(recipe(place), out=tmp_path / "out", sizes=3, seeds=2)

    assert [size["size"] for size in more.told["sizes"]] == [40, 80, 160]
    assert more.told["seeds"] == [0, 1]
    assert all(len(size["by_seed"]) == 2 for size in more.told["sizes"])
    first = found.told["sizes"][1]["by_seed"][0]
    assert more.told["sizes"][0]["by_seed"][0] == first


def test_another_recipe_other_data_and_other_files_are_refused(
    found: Curve, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="of another recipe"):
        tune_curve(recipe(place, training={"epochs": 3}), out=found.folder.root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    with pytest.raises(StorageError, match="not empty"):
        tune_curve(recipe(place), out=tmp_path / "full")
    test = place / "data" / "test.jsonl"
    before = test.read_bytes()
    try:
        test.write_bytes(before.replace(b"apple", b"pear"))
        with pytest.raises(UsageError, match="data has changed"):
            tune_curve(recipe(place), out=found.folder.root)
    finally:
        test.write_bytes(before)


def test_rows_or_groups_too_few_for_the_sizes_are_refused(place: Path, tmp_path: Path) -> None:
    few = recipe(place, data={"limit": 14})
    with pytest.raises(EmptyDataError, match="14 training rows are too few for 4 sizes"):
        tune_curve(few, out=tmp_path / "few")
    frame = pl.read_ndjson(place / "data" / "train.jsonl")
    large = frame.with_columns(document=pl.lit("g") + (pl.int_range(160) // 54).cast(pl.String))
    large.write_ndjson(tmp_path / "train.jsonl")
    grouped = recipe(place, data={"train": str(tmp_path / "train.jsonl")})
    with pytest.raises(EmptyDataError, match="groups that stay together"):
        tune_curve(grouped, out=tmp_path / "grouped")
    assert not (tmp_path / "few").exists()


def _causal(place: Path) -> Recipe:
    return recipe(
        place,
        task={"kind": "causal-lm", "prompt": "{input}", "generation": {"max_new_tokens": 4}},
        model=str(place / "decoder"),
        data={"input": "text", "output": "reply"},
        evaluation={"baselines": ["lead"], "resamples": 100},
    )


def _masked(place: Path) -> Recipe:
    return recipe(
        place,
        task={"kind": "masked-lm", "new_head": {"epochs": 1, "learning_rate": 1e-2}},
        training={"keep": "last", "epochs": 1},
        evaluation={"baselines": [], "resamples": 100},
    )


def _tuned_rows(place: Path) -> Recipe:
    return recipe(
        place,
        split={"tune": 0.25},
        task={"kind": "text-classification", "multi_label": True, "labels": list(THINGS)},
        evaluation={"baselines": ["frozen-encoder"], "gates": [{"metric": "micro_f1"}]},
    )


@pytest.mark.parametrize(
    ("make", "metric", "cheap"),
    [
        pytest.param(_causal, "rougeL", "lead", id="a task that writes"),
        pytest.param(_masked, "perplexity", None, id="a task without answers"),
        pytest.param(_tuned_rows, "micro_f1", "frozen-encoder", id="rows that choose of their own"),
    ],
)
def test_every_task_is_told_by_the_metric_of_its_verdict(
    make: Callable[[Path], Recipe], metric: str, cheap: str | None, place: Path, tmp_path: Path
) -> None:
    curve = tune_curve(make(place), out=tmp_path / "out", sizes=3)

    assert (curve.told["metric"], curve.told["cheap"]) == (metric, cheap)
    assert len(curve.told["sizes"]) == 3
    assert json.loads(json.dumps(curve.to_json(), allow_nan=False)) == curve.to_json()
    assert not list(curve.folder.root.rglob("*.safetensors"))
