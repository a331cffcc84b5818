"""Canonical rows from real files: ids, groups, slices, several files, real clauses."""

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.integrity.checks import check_parts, check_splits
from burnish.data.labels import settle_labels
from burnish.data.ledger import ledger_json
from burnish.data.load import load_part, load_rows
from burnish.data.reading import Reading
from burnish.data.splits import split_parts
from burnish.errors import ColumnError
from burnish.recipe.recipe import Recipe
from burnish.records import LedgerEntry

TOS = Path(__file__).parents[2].parent / "shared" / "data" / "unfair_tos"


def recipe(task: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    return Recipe.model_validate({"task": task or {}, "model": "m"} | sections)


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def whole_way(recipe: Recipe) -> tuple[dict[str, pl.DataFrame], list[LedgerEntry]]:
    parts, read = load_rows(recipe)
    space, parts = settle_labels(recipe.task, parts, label_column=recipe.data.label)
    parts, _, checked = check_parts(parts, space, recipe.data)
    splits, split = split_parts(parts, recipe.split, recipe.data, space)
    splits, _, leaks = check_splits(splits, space, recipe.data)
    return splits, [*read, *checked, *split, *leaks]


def test_rows_carry_id_group_slices_and_place(tmp_path: Path) -> None:
    row = {"text": "t", "label": "x", "doc": 7, "lang": "en", "other": [1]}
    path = write(tmp_path / "a.jsonl", row, row)
    parts, entries = load_rows(
        recipe(data={"from": path, "group": "doc"}, evaluation={"slices": ("lang", "doc")})
    )
    assert parts["train"].row(1, named=True) == {
        "id": "a.jsonl:2",
        "text": "t",
        "raw_label": "x",
        "group": "7",
        "file": "a.jsonl",
        "row": 2,
        "meta:lang": "en",
        "meta:doc": 7,
    }
    assert entries == (LedgerEntry(stage="read", split="train", rows_in=2, kept=2),)


def test_files_of_one_name_in_two_folders_keep_their_rows_apart(tmp_path: Path) -> None:
    paths = [write(tmp_path / f / "a.jsonl", {"text": f, "label": f}) for f in ("one", "two")]
    parts, _ = load_rows(recipe(data={"train": tuple(paths)}))
    assert parts["train"]["id"].to_list() == [f"{path}:1" for path in paths]


def test_ids_of_the_data_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "t", "label": "x", "key": 5})
    parts, _ = load_rows(recipe(data={"from": path, "id": "key"}))
    assert parts["train"]["id"].to_list() == ["5"]


def test_rows_to_be_answered_need_no_label(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "t"})
    wanted = recipe(data={"from": path})
    frame, entry = load_part("new", [path], Reading.of(wanted, labelled=False))
    assert frame["raw_label"].to_list() == [None]
    assert entry.kept == 1
    with pytest.raises(ColumnError, match="'label'"):
        load_part("new", [path], Reading.of(wanted))


def test_one_column_cannot_be_text_and_label(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", {"text": "t"})
    with pytest.raises(ColumnError, match="'text' is asked to be two things"):
        load_rows(recipe(data={"from": path, "label": "text"}))


def test_the_starter_set_goes_the_whole_way_by_document() -> None:
    splits, entries = whole_way(
        recipe(
            data={"from": "starter:clauses", "label": "labels", "group": "document"},
            split={"tune": 0.1},
        )
    )
    ledger = ledger_json(entries)
    assert {name: rows.height for name, rows in splits.items()} == ledger["totals"]["kept"]
    assert ledger["totals"]["rows_in"] == 2300
    groups = [set(rows["group"]) for rows in splits.values()]
    assert sum(map(len, groups)) == 46
    assert splits["train"]["id"][0] == "starter:clauses:train:1"


@pytest.mark.skipif(not TOS.is_dir(), reason="the UNFAIR-ToS rows are not beside this checkout")
def test_unfair_tos_is_read_settled_checked_and_its_leaks_are_named() -> None:
    names = ("ltd", "ter", "ch", "cr", "use", "law", "j", "a")
    data = {"from": str(TOS), "label": "labels", "group": "document"}
    leaks = ({"kind": "leak", "action": "drop"},)
    task = {"labels": names}
    splits, entries = whole_way(recipe(task, data=data | {"checks": leaks}, split={"tune": 0.15}))

    assert splits["validation"].height == 2274
    assert 0.12 < splits["tune"].height / 5532 < 0.18
    assert not set(splits["tune"]["group"]) & set(splits["train"]["group"])
    totals = ledger_json(entries)["totals"]
    assert totals["rows_in"] == 7806 == sum(totals["kept"].values()) + totals["dropped"]["leak"]

    collapse = {"positive": "unfair", "negative": "fair"}
    binary, _ = whole_way(recipe(task | {"collapse": collapse}, data=data | {"checks": leaks}))
    assert set(binary["train"]["labels"].explode()) == {"fair", "unfair"}


@pytest.mark.parametrize("name", ["gaps.jsonl", "gaps.parquet"])
def test_a_group_is_the_same_however_its_number_is_written_and_nan_is_none(
    name: str, tmp_path: Path
) -> None:
    text = {"text": "t", "label": "x"}
    whole = write(tmp_path / "whole.jsonl", *(text | {"doc": n, "n": n} for n in (1, 2)))
    named = write(tmp_path / "named.jsonl", *(text | {"doc": n, "n": 1} for n in ("1", "a")))
    floats, gaps = [1.0, 2.5, math.nan, None], tmp_path / name
    if gaps.suffix == ".parquet":
        columns = {"text": ["t"] * 4, "label": ["x"] * 4, "doc": floats, "n": floats}
        pl.DataFrame(columns).write_parquet(gaps)
    else:
        write(gaps, *(text | {"doc": n, "n": n} for n in floats))
    given = recipe(
        data={"train": (whole, named, str(gaps)), "group": "doc"}, evaluation={"slices": ("n",)}
    )

    rows = load_rows(given)[0]["train"]

    assert rows["group"].to_list() == ["1", "2", "1", "a", "1", "2.5", None, None]
    assert rows["meta:n"].to_list() == [1, 2, 1, 1, 1, 2.5, None, None]  # and not a text


def test_a_column_reads_the_same_whatever_stands_beside_a_value(tmp_path: Path) -> None:
    values = [True, 1, 2.0, "a", 10**400, None]
    text = {"text": "t", "label": "x"}
    for some in (values, [1.5, 10**400]):
        path = write(tmp_path / "a.jsonl", *(text | {"doc": value} for value in some))
        rows = load_rows(recipe(data={"train": path}, evaluation={"slices": ("doc",)}))[0]["train"]
        told = [None if v is None else str(v) for v in some]
        told = [{"True": "true", "2.0": "2"}.get(str(v), v) for v in told]
        assert rows["meta:doc"].to_list() == told
