"""Rows that a formula selects, written as they stood; every other row with its reason."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.readers import read_file
from burnish.data.signals.declared import formula_of
from burnish.data.table import BATCH_ROWS, DataFile, Kind
from burnish.errors import DataFormatError, EmptyDataError, RecipeError, StorageError
from burnish.pipeline.selecting import write_selected
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe

SIGNALS = {
    "brand": {"kind": "contains", "words": ["Norvik"]},
    "long": {"kind": "length", "unit": "words"},
}


def rows(count: int, first: int = 0) -> list[dict[str, Any]]:
    names = ("Norvik", "Altera")
    return [
        {"text": f"{names[at % 2]} shoes number {at}" + " more" * (at % 3), "label": "ab"[at % 2],
         "kept_too": {"n": at}}
        for at in range(first, first + count)
    ]  # fmt: skip


def write(path: Path, made: list[dict[str, Any]]) -> None:
    path.write_text("\n".join(map(json.dumps, made)), "utf-8")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text("utf-8").splitlines()]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    write(tmp_path / "data" / "train.jsonl", rows(30))
    write(tmp_path / "data" / "test.jsonl", rows(12, 100))
    return tmp_path


def recipe(place: Path, **data: Any) -> Recipe:
    written = {
        "task": "masked-lm", "model": "-",
        "data": {"from": str(place / "data"), "signals": SIGNALS,
                 "select": "brand & (long > 4)"} | data,
    }  # fmt: skip
    return validate(Document(written, {}, "a recipe"))


def test_kept_rows_stand_as_they_stood_and_the_others_say_why(place: Path) -> None:
    found = write_selected(recipe(place), place / "out")

    kept, old = lines(place / "out" / "train.jsonl"), rows(30)
    assert kept == [row for at, row in enumerate(old) if at % 2 == 0 and at % 3]
    left_out = lines(place / "out" / "left-out.jsonl")
    assert len(left_out) == sum(found.left_out.values())
    assert {one["part"] for one in left_out} == {"train", "test"}
    assert found.kept["train"] + found.left_out["train"] == 30
    told = json.loads((place / "out" / "selection.json").read_text("utf-8"))
    assert told["formula"] == "brand & (long > 4)"
    assert [len(one["sha256"]) for one in told["inputs"]] == [64, 64]
    assert json.loads((place / "out" / "ledger.json").read_text("utf-8"))["balances"]


def test_every_kept_row_is_traced_to_its_file_and_line(place: Path) -> None:
    write_selected(recipe(place), place / "out")

    for line in lines(place / "out" / "lineage.jsonl"):
        old = lines(Path(line["from"]))[line["from_row"] - 1]
        assert lines(place / "out" / line["file"])[line["row"] - 1] == old


def test_a_set_is_a_source_of_its_own(place: Path) -> None:
    first = write_selected(recipe(place), place / "out")
    again = write_selected(recipe(place, **{"from": str(place / "out")}), place / "again")

    assert again.kept == first.kept
    assert again.left_out == {"train": 0, "test": 0}


def test_several_files_of_a_part_stay_several(place: Path) -> None:
    write(place / "more.jsonl", rows(9, 200))
    files = [str(place / "data" / "train.jsonl"), str(place / "more.jsonl")]
    found = write_selected(recipe(place, **{"from": None, "train": files}), place / "out")

    assert [path.name for path in found.files] == ["train-00000.jsonl", "train-00001.jsonl"]
    assert found.kept["train"] == sum(len(lines(path)) for path in found.files)


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet"])
def test_more_rows_than_are_read_at_once_are_all_accounted_for(kind: str, place: Path) -> None:
    count = 2 * BATCH_ROWS + 7
    frame = pl.DataFrame(
        {
            "text": [f"{'Norvik' if at % 7 else 'Altera'} number {at}" for at in range(count)],
            "label": [str(at % 2) for at in range(count)],
            "n": range(count),
        }
    )
    path = place / f"many.{kind}"
    if kind == "jsonl":
        frame.write_ndjson(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    elif kind == "csv":
        frame.write_csv(path)
    else:
        path.write_text(json.dumps(frame.to_dicts()), "utf-8")
    signals = SIGNALS | {"even": {"kind": "label", "labels": ["fair"]}}
    written = {
        "task": {"labels": ["fair", "unfair"]}, "model": "-",
        "data": {"train": str(path), "signals": signals, "select": "brand & even"},
    }  # fmt: skip

    found = write_selected(validate(Document(written, {}, "a recipe")), place / "out")

    columns = {"text": Kind.TEXT, "n": Kind.PLAIN}
    kept = read_file(DataFile(path=found.files[0], columns=columns)).frame
    wanted = frame.filter(pl.col("text").str.starts_with("Norvik"), pl.col("label") == "0")
    assert kept["text"].to_list() == wanted["text"].to_list()
    assert kept["n"].cast(pl.Int64).to_list() == wanted["n"].to_list()
    assert found.kept["train"] + found.left_out["train"] == count
    lineage = lines(place / "out" / "lineage.jsonl")
    assert [one["from_row"] - 1 for one in lineage] == wanted["n"].to_list()
    assert [one["row"] for one in lineage] == list(range(1, wanted.height + 1))


def test_a_set_has_a_version_that_its_rows_alone_decide(place: Path) -> None:
    first = write_selected(recipe(place), place / "out")
    same = write_selected(recipe(place, select="(long > 4) & brand"), place / "same")
    other = write_selected(recipe(place, select="brand"), place / "other")

    assert first.version == same.version != other.version


def test_blank_lines_are_in_the_ledger(place: Path) -> None:
    path = place / "data" / "test.jsonl"
    path.write_text("\n" + path.read_text("utf-8") + "\n\n", "utf-8")

    write_selected(recipe(place), place / "out")

    entries = json.loads((place / "out" / "ledger.json").read_text("utf-8"))["entries"]
    read = {one["split"]: one for one in entries if one["stage"] == "read"}
    assert (read["test"]["rows_in"], read["test"]["kept"]) == (14, 12)
    assert read["test"]["dropped"] == {"blank-line": 2}


def test_rows_that_cannot_be_read_leave_nothing_behind(place: Path) -> None:
    with (place / "data" / "train.jsonl").open("a") as file:
        file.write("\n{broken")

    with pytest.raises(DataFormatError, match="row 31"):
        write_selected(recipe(place), place / "out")

    assert sorted(path.name for path in place.iterdir()) == ["data"]


def test_what_cannot_be_selected_is_refused(place: Path) -> None:
    with pytest.raises(RecipeError, match="no formula"):
        write_selected(recipe(place, select=None), place / "out")
    with pytest.raises(RecipeError, match="lie in no file"):
        write_selected(recipe(place, **{"from": "synth:brand"}), place / "out")
    with pytest.raises(EmptyDataError, match="no train row is selected"):
        write_selected(recipe(place, select="long > 99"), place / "out")
    assert not (place / "out").exists()
    with pytest.raises(StorageError):
        write_selected(recipe(place), place / "data")
    assert formula_of(recipe(place)) is not None
