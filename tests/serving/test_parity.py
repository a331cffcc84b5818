"""A model proves at its start that it answers as it was judged, or is not served."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from peft import LoraConfig, get_peft_model

from burnish.errors import ModelFormatError, ParityError, UsageError
from burnish.records import LabelSpace
from burnish.serving.engine import Ask, Embed, Precision
from burnish.serving.growing import Write
from burnish.serving.opening import find
from burnish.training.exports.onnx import EXPORT as FP32
from burnish.training.exports.onnx_int8 import EXPORT as INT8
from burnish.training.golden import FILE, Golden
from burnish.training.methods.lora import as_of_now
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.processor import sums_bytes
from burnish.training.rounded import hold_int8
from burnish.training.sources import resolve
from burnish.training.tokenizers import open_saved_tokenizer, open_tokenizer

from .conftest import HARDWARE, WORDS, Running

ROWS = pl.DataFrame(
    {
        "id": [f"row {at}" for at in range(48)],
        "text": [" ".join(WORDS[at % 7 :: 1 + at % 5][: 3 + at % 9]) for at in range(48)],
    }
)


def judged(folder: Path, place: Path, *, margin: float = 0) -> Path:
    """Return a copy of a model folder that keeps golden rows, as a run leaves it.

    With a margin, rows of which a score is nearer to its threshold are left out.
    """
    copy = shutil.copytree(folder, place)
    opened = Answerer.open(resolve(str(copy)), hardware=HARDWARE)
    answers = opened.answer_rows(ROWS)
    far = [
        one.example_id
        for one in answers
        if not margin
        or min(
            abs(score - least)
            for score, least in zip(one.scores.values(), opened.task.thresholds, strict=True)
        )
        > margin
    ]
    rows = ROWS.filter(pl.col("id").is_in(far))
    Golden.choose(
        rows,
        answers,
        count=None,
        asked=opened.task.space.asked,
        split="test",
        exact=True,
    ).write(copy)
    return copy


def spoil(folder: Path, change: Any) -> Path:
    """Change each golden row of a folder."""
    told = json.loads((folder / FILE).read_text("utf-8"))
    for row in told["rows"]:
        change(row)
    (folder / FILE).write_text(json.dumps(told), "utf-8")
    return folder


def load(folder: Path, precision: Precision = "auto") -> Any:
    """Open a folder as `burnish serve` does."""
    return find("model", str(folder), fetchers={}, precision=precision).load()


@pytest.mark.parametrize(
    ("name", "rows"), [("colours", 32), ("words", 32), ("chat", 8), ("plain", 32), ("short", 8)]
)
def test_a_model_of_every_task_proves_itself_on_the_rows_it_keeps(
    name: str, rows: int, folders: dict[str, Path], tmp_path: Path
) -> None:
    engine = load(judged(folders[name], tmp_path / name))

    assert engine.facts.parity.startswith(f"{rows} of {rows} answers on golden rows of test")


def test_the_rows_are_the_same_whatever_their_order(folders: dict[str, Path]) -> None:
    opened = Answerer.open(resolve(str(folders["colours"])), hardware=HARDWARE)
    chosen = [
        Golden.choose(
            rows, opened.answer_rows(rows), count=5, asked="labels", split="test", exact=True
        )
        for rows in (ROWS, ROWS.reverse())
    ]

    first, second = ([row.text for row in one.rows] for one in chosen)
    assert first == second


def test_a_model_that_answers_otherwise_is_not_served(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = spoil(
        judged(folders["colours"], tmp_path / "colours"),
        lambda row: row["scores"].update(red=1 - row["scores"]["red"]),
    )

    with pytest.raises(ParityError, match="answers otherwise than it was judged: 32 of 32") as err:
        load(folder)

    assert FILE in str(err.value.where)


def test_a_folder_without_golden_rows_is_served_and_says_so(
    folders: dict[str, Path], all_served: Running
) -> None:
    told = load(folders["colours"]).facts.parity
    first = all_served.client.get("/v1/info").json()["models"][0]

    assert "keeps no golden.json" in told
    assert "parity" in first


def test_damaged_golden_rows_are_told_and_not_passed_over(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = judged(folders["colours"], tmp_path / "colours")
    (folder / FILE).write_text('{"split": "test", "exact": true, "rows": [{}]}')

    with pytest.raises(Exception, match="cannot be read: KeyError"):
        load(folder)


def test_int8_gives_the_judged_labels_and_says_how_far_off_its_scores_are(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = judged(folders["colours"], tmp_path / "colours", margin=0.15)

    exact, rounded = load(folder), load(folder, "int8")

    texts = [Ask(text=text) for text in ROWS["text"]]
    pairs = list(
        zip(exact.answer(exact.read(texts)), rounded.answer(rounded.read(texts)), strict=True)
    )
    same = sum(a.prediction.answer == b.prediction.answer for a, b in pairs)
    assert rounded.facts.precision == "int8"
    assert same >= 0.8 * len(pairs)  # those near a threshold may go either way
    assert "golden rows of test" in rounded.facts.parity
    assert isinstance(rounded.facts.space, LabelSpace)
    with pytest.raises(Exception, match="gives no vectors"):
        rounded.read([Embed(text="word1")])


def test_int8_is_served_only_with_a_proof(folders: dict[str, Path], tmp_path: Path) -> None:
    bare = shutil.copytree(folders["colours"], tmp_path / "bare")
    wrong = spoil(
        judged(folders["colours"], tmp_path / "wrong"), lambda row: row.update(answer=["none"])
    )

    with pytest.raises(ParityError, match="only with a proof"):
        load(bare, "int8")
    with pytest.raises(ParityError, match="0 of 32 answers"):
        load(wrong, "int8")


@pytest.mark.skipif(not sums_bytes(), reason="the processor would overflow")
def test_a_model_of_plain_texts_proves_itself_in_int8(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = judged(folders["plain"], tmp_path / "plain")

    engine = load(folder, "int8")

    assert engine.facts.precision == "int8"
    assert engine.facts.parity.startswith("32 of 32 answers")
    spoil(folder, lambda row: row["scores"].update(log_likelihood=-900.0))
    with pytest.raises(ParityError, match="answers otherwise"):
        load(folder, "int8")


@pytest.mark.skipif(not sums_bytes(), reason="the processor would overflow")
def test_words_of_a_model_in_int8_are_weighed_by_its_layer_of_words(
    folders: dict[str, Path],
) -> None:
    exact = Answerer.open(resolve(str(folders["words"])), hardware=HARDWARE)
    rounded = Answerer.open(resolve(str(folders["words"])), hardware=HARDWARE)
    hold_int8(rounded.model)

    pairs = zip(exact.answer_rows(ROWS), rounded.answer_rows(ROWS), strict=True)

    for one, other in pairs:
        difference = abs(one.scores["log_likelihood"] - other.scores["log_likelihood"])
        assert difference < one.scores["tokens"]  # a nat a token, of weights that are random


@pytest.mark.skipif(not sums_bytes(), reason="the processor would overflow")
def test_adapters_are_added_to_their_model_before_it_is_rounded(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    opened = Answerer.open(resolve(str(folders["plain"])))
    settings = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    with as_of_now():
        adapted = get_peft_model(opened.model, settings).eval()
    adapted.peft_config["default"].base_model_name_or_path = str(folders["plain"])
    meta = {"name": "a", "base_model": "tiny", "method": "lora", "scores": []}
    save_model_folder(tmp_path / "a", adapted, opened.tokenizer, opened.task, meta=meta)

    engine = load(judged(tmp_path / "a", tmp_path / "judged"), "int8")

    assert engine.facts.parity.startswith("32 of 32 answers")
    assert not hasattr(engine._answerer.model, "get_base_model")


@pytest.mark.skipif(not sums_bytes(), reason="the processor would overflow")
def test_a_model_that_writes_does_so_in_int8(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = judged(folders["chat"], tmp_path / "chat")
    with pytest.raises(ParityError, match="answers otherwise"):  # random weights: all near ties
        load(folder, "int8")
    rounded = Answerer.open(resolve(str(folder)), hardware=HARDWARE)
    hold_int8(rounded.model)
    told = rounded.answer_rows(ROWS)
    kept = json.loads((folder / FILE).read_text("utf-8"))
    by_text = dict(zip(ROWS["text"], told, strict=True))
    spoil(folder, lambda row: row.update(answer=list(by_text[row["text"]].answer)))

    engine = load(folder, "int8")

    assert len(kept["rows"]) == 8
    assert engine.facts.parity.startswith("8 of 8 answers")
    pieces: list[str] = []
    written = engine.answer(engine.read([Write(text="the cat", max_tokens=6, emit=pieces.append)]))
    assert written[0].text.strip() == "".join(pieces).strip()
    assert written[0].written_tokens <= 6


@pytest.mark.parametrize(("form", "precision"), [(FP32, "fp32"), (INT8, "int8")])
def test_the_folder_of_an_export_is_served(
    form: Any, precision: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = judged(folders["colours"], tmp_path / "colours", margin=0.15)
    place = tmp_path / "graph"
    place.mkdir()
    form.write(Answerer.open(resolve(str(folder))), {}, place)
    shutil.copy(folder / FILE, place)

    engine = load(place)

    assert engine.facts.precision == precision
    assert "100.0 %" in engine.facts.parity
    other: Precision = "bf16"
    with pytest.raises(UsageError, match=f"exported in {precision}"):
        load(place, other)
    with pytest.raises(ModelFormatError, match=r"no \*\.safetensors"):
        resolve(str(place))


def test_a_graph_is_opened_without_torch_and_the_models_of_transformers(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    FP32.write(Answerer.open(resolve(str(folders["colours"]))), {}, tmp_path)
    opened = (
        "import sys, burnish.serving.app; from burnish.serving.opening import find;"
        "find('model', sys.argv[1], fetchers={}, precision='auto').load();"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", opened, tmp_path], capture_output=True, text=True, check=True
    )

    # They take seconds to import, for which a server would not be ready.
    slow = {
        "torch", "transformers.modeling_utils", "scipy.stats", "scipy.optimize", "peft", "lightning"
    }  # fmt: skip
    assert not slow & set(done.stdout.split())


def test_the_tokenizer_beside_a_graph_reads_as_the_models_own(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    source = resolve(str(folders["colours"]))
    FP32.write(Answerer.open(source), {}, tmp_path)
    texts = ["word1 WORD2, word3!", "äöü 🦙 unknown", "word4 " * 200]

    own, saved = open_tokenizer(source), open_saved_tokenizer(tmp_path)

    assert saved(texts)["input_ids"] == own(texts)["input_ids"]
    assert saved(texts, truncation=True)["input_ids"] == own(texts, truncation=True)["input_ids"]
    assert saved.model_max_length == own.model_max_length


def test_a_graph_whose_tokenizer_is_missing_is_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    FP32.write(Answerer.open(resolve(str(folders["colours"]))), {}, tmp_path)
    (tmp_path / "tokenizer.json").unlink()

    with pytest.raises(ModelFormatError):
        load(tmp_path)


def test_the_graphs_of_an_encoder_decoder_are_refused(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    FP32.write(Answerer.open(resolve(str(folders["short"]))), {}, tmp_path)

    with pytest.raises(Exception, match="encoder-decoder are not served"):
        load(tmp_path)
