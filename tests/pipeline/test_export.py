"""`burnish export`: another form of the model, proved against the answers that were judged."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from burnish.errors import ParityError, RunFolderError, StorageError
from burnish.files import read_json
from burnish.pipeline.export import export
from burnish.pipeline.run import Outcome, run
from burnish.runfolder import read_predictions

from .conftest import small_recipe

Rows = list[dict[str, object]]


def copied(outcome: Outcome, place: Path) -> Path:
    """Return a copy of the run that a test may spoil."""
    return shutil.copytree(
        outcome.folder.root, place, ignore=shutil.ignore_patterns("checkpoints", "export")
    )


@pytest.mark.parametrize("form", ["merged", "onnx"])
def test_every_judged_answer_comes_back_and_the_proof_is_kept(
    form: str, outcome: Outcome, tmp_path: Path
) -> None:
    place, parity = export(outcome.folder.root, form, tmp_path / form)

    judged = read_predictions(outcome.folder.predictions("tuned", "test"))
    assert parity.equal_answers == parity.rows == len(judged)
    assert parity.largest_score_difference < 1e-4
    assert read_json(place / "parity.json")["holds"] is True


def test_a_classifier_tuned_beside_weights_in_8_bits_comes_back_as_it_was_judged(
    workplace: Path, tmp_path: Path
) -> None:
    asked = small_recipe(
        tmp_path,
        "method={kind: qlora, bits: 8, rank: 4}",
        "training.checkpoint_every_epoch=false",
        "evaluation.baselines=[majority]",
        "tracking.trackers=[]",
    )
    found = run(asked, out=tmp_path / "run")

    _, parity = export(found.folder.root, "onnx", tmp_path / "onnx")

    assert read_json(found.folder.model / "burnish.json")["base_bits"] == 8
    assert parity.equal_answers == parity.rows > 0
    assert parity.largest_score_difference < 1e-4


def test_onnx_runtime_alone_gives_the_probabilities_that_were_judged(
    outcome: Outcome, test_rows: Rows, tmp_path: Path
) -> None:
    import onnxruntime
    from transformers import AutoTokenizer

    place, _ = export(outcome.folder.root, "onnx", tmp_path / "onnx")

    tokenizer = AutoTokenizer.from_pretrained(place)
    session = onnxruntime.InferenceSession(place / "model.onnx")
    texts = [str(row["text"]) for row in test_rows[:20]]
    rows = tokenizer(texts, padding=True, truncation=True, return_tensors="np")
    feed = {name: rows[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    (logits,) = session.run(["logits"], feed)
    judged = {
        one.example_id: one.scores
        for one in read_predictions(outcome.folder.predictions("tuned", "test"))
    }
    labels = read_json(place / "burnish.json")["labels"]
    told = [[judged[str(row["id"])][name] for name in labels] for row in test_rows[:20]]
    np.testing.assert_allclose(expit(logits), told, atol=1e-4)


def test_an_export_that_answers_otherwise_is_refused_and_says_so_in_its_folder(
    outcome: Outcome, tmp_path: Path
) -> None:
    run = copied(outcome, tmp_path / "run")
    path = run / "predictions" / "tuned.test.jsonl"
    first, *rest = path.read_text().splitlines()
    spoilt = json.loads(first)
    spoilt["scores"] = dict.fromkeys(spoilt["scores"], 0.5)
    path.write_text("\n".join([json.dumps(spoilt), *rest]) + "\n")

    with pytest.raises(ParityError, match="answers otherwise") as raised:
        export(run, "merged", None)

    assert raised.value.exit_code == 1
    assert read_json(run / "export" / "merged" / "parity.json")["holds"] is False


def test_nothing_is_written_over(outcome: Outcome, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep me")

    with pytest.raises(StorageError, match="not empty"):
        export(outcome.folder.root, "onnx", tmp_path / "full")


def test_a_run_without_answers_cannot_be_exported(outcome: Outcome, tmp_path: Path) -> None:
    run = copied(outcome, tmp_path / "run")
    shutil.rmtree(run / "predictions")

    with pytest.raises(RunFolderError, match="no answers"):
        export(run, "onnx", None)
