"""Labels settled from each raw label once, beside all rows settled together."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.data.load import load_rows
from burnish.data.settle import settle
from burnish.data.sources import find_written
from burnish.data.streamed import StreamedRows
from burnish.data.table import BATCH_ROWS
from burnish.errors import BurnishError, LabelError
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe

NAMES = st.sampled_from(["a", "b", "c", "0", "1", "[]"])
SINGLE = st.lists(st.one_of(st.none(), NAMES), min_size=1, max_size=30)
LISTS = st.lists(st.one_of(st.none(), st.lists(NAMES, max_size=3)), min_size=1, max_size=30)


def recipe(
    folder: Path, parts: dict[str, list[Any]], *, column: str = "label", **task: Any
) -> Recipe:
    for part, labels in parts.items():
        rows = [json.dumps({"text": f"row {at}", column: one}) for at, one in enumerate(labels)]
        (folder / f"{part}.jsonl").write_text("\n".join(rows) + "\n", "utf-8")
    written = {
        "task": {"kind": "text-classification"} | task, "model": "-",
        "data": {"from": str(folder), "label": column},
    }  # fmt: skip
    return validate(Document(written, {}, "a recipe"))


def streamed(of: Recipe) -> list[Any]:
    """Return the labels of all rows, part by part."""
    sources = find_written(of.data)
    rows = StreamedRows.of(of, sources, labelled=True)
    return [
        labels
        for files in sources.values()
        for file in files
        for batch, _ in rows.batches(file)
        for labels in batch["labels"].to_list()
    ]


def together(of: Recipe) -> list[Any]:
    parts = settle(of, load_rows(of)[0])[1]
    return [labels for part in parts.values() for labels in part["labels"].to_list()]


def found(settling: Callable[[Recipe], list[Any]], of: Recipe) -> list[Any] | str:
    """Return the labels, or what is wrong with them."""
    try:
        return settling(of)
    except BurnishError as err:
        return str(err)


@given(train=SINGLE | LISTS, test=SINGLE | LISTS)
def test_each_row_has_the_labels_it_has_when_all_are_settled_at_once(
    train: list[Any], test: list[Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asked = recipe(Path(folder), {"train": train, "test": test})
        assert found(streamed, asked) == found(together, asked)


def test_how_many_rows_are_wrong_is_told_of_all_rows(tmp_path: Path) -> None:
    labels = [["a"], ["b"]] * 20_000 + [["a", "b"]] * 3
    asked = recipe(tmp_path, {"train": labels}, multi_label=False)
    with pytest.raises(LabelError, match=r"\] 3 row\(s\) have no label or several"):
        streamed(asked)


def test_many_classes_are_no_wrong_column_where_each_comes_often(tmp_path: Path) -> None:
    often = recipe(tmp_path, {"train": [f"class {at % 60}" for at in range(600)]})
    assert len(streamed(often)) == 600
    once = recipe(tmp_path, {"train": [f"class {at}" for at in range(60)]})
    with pytest.raises(LabelError, match="60 distinct labels in 60 rows"):
        streamed(once)


@pytest.mark.parametrize("column", ["label", "key", "stands_for"])
def test_rows_that_are_read_some_after_others_are_settled_alike(
    column: str, tmp_path: Path
) -> None:
    labels = [["a"], ["b", "a"], [], ["b"]] * (BATCH_ROWS // 4) + [["c"], None, ["a", "b"]]
    asked = recipe(tmp_path, {"train": labels}, column=column)
    settled = streamed(asked)

    assert settled == together(asked)
    assert settled[-3:] == [["c"], None, ["a", "b"]]
