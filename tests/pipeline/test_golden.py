"""A run leaves judged rows beside its weights; exports carry them on; a server reads them."""

from pathlib import Path
from typing import Any

import pytest

from burnish.errors import ParityError
from burnish.files import read_json
from burnish.pipeline.export import export
from burnish.pipeline.nodes.release import golden_file
from burnish.pipeline.run import Outcome
from burnish.runfolder import read_predictions
from burnish.serving.opening import find

from .conftest import small_recipe


def test_a_run_keeps_judged_rows_beside_its_weights(
    outcome: Outcome, test_rows: list[dict[str, Any]]
) -> None:
    told = read_json(outcome.folder.model / "golden.json")

    texts = {str(row["id"]): row["text"] for row in test_rows}
    judged = {
        one.example_id: one for one in read_predictions(outcome.folder.predictions("tuned", "test"))
    }
    assert (told["split"], told["exact"]) == ("test", True)
    assert len(told["rows"]) == min(32, len(judged))
    for row in told["rows"]:
        assert row["text"] == texts[row["id"]]
        assert tuple(row["answer"]) == judged[row["id"]].answer
        assert row["scores"] == judged[row["id"]].scores
        assert row["reference"] is None


def test_a_recipe_that_asks_for_none_keeps_no_texts(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path, "evaluation.golden_rows=0")

    assert golden_file(recipe, None, tmp_path, "test", {}, {}) is None  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


def test_an_export_carries_the_rows_on_and_is_served_with_them(
    outcome: Outcome, tmp_path: Path
) -> None:
    place, _ = export(outcome.folder.root, "onnx", tmp_path / "onnx")

    engine = find("clauses", str(place), fetchers={}, precision="auto").load()

    assert engine.facts.precision == "fp32"
    assert engine.facts.parity is not None
    assert engine.facts.parity.startswith("32 of 32 answers on golden rows of test")


def test_int8_is_refused_where_rounding_changes_too_many_answers(
    outcome: Outcome, tmp_path: Path
) -> None:
    # A model of one epoch over 96 rows gives all labels about their threshold's probability.
    with pytest.raises(ParityError, match="answers otherwise"):
        export(outcome.folder.root, "onnx-int8", tmp_path / "int8")

    told = read_json(tmp_path / "int8" / "parity.json")
    assert told["format"] == "onnx-int8"
    assert told["equal_answers"] < 0.995 * told["rows"]
    assert not told["holds"]
