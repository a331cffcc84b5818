"""The nodes of the graph that handle rows do the same for labels and for texts."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.errors import SplitError
from burnish.pipeline.nodes import data
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, TextSpace

COLUMNS = {"text": "question", "label": "size", "input": "question", "output": "reply"}


def recipe(kind: str, path: Path | str = "x", **sections: Any) -> Recipe:
    source = COLUMNS | {"from": str(path)}
    return Recipe.model_validate({"task": {"kind": kind}, "model": "m", "data": source} | sections)


@pytest.mark.parametrize(
    ("kind", "space", "first"),
    [
        (
            "text-classification",
            LabelSpace(names=("large", "small"), multi_label=False, positive="small"),
            ["large"],
        ),
        ("causal-lm", TextSpace(), ["Order 0 it is."]),
        ("seq2seq", TextSpace(), ["Order 0 it is."]),
    ],
)
def test_rows_go_from_the_file_to_splits_in_one_canonical_form(
    kind: str, space: Any, first: list[str], tmp_path: Path
) -> None:
    rows = [
        {
            "question": f"May I have order {n}, please?",
            "reply": f"Order {n} it is.",
            "size": ("large", "small")[n % 2],
        }
        for n in range(40)
    ]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows))
    wanted = recipe(kind, path, split={"by": "random"})

    loaded = data.loaded(wanted)
    labelled = data.labelled(wanted, loaded)
    found = data.label_space(labelled)
    checked = data.checked(wanted, labelled, loaded, found)
    divided = data.divided(wanted, checked, found)
    splits = data.splits(data.leak_checked(wanted, divided, found))

    assert found == space
    assert labelled[1]["train"]["labels"][0].to_list() == first
    assert list(splits) == ["train", "validation", "test"]
    for part in splits.values():
        assert part.columns == ["id", "text", "labels", "group", "file", "row"]
        assert part["labels"].dtype == pl.List(pl.String)
    assert sum(part.height for part in splits.values()) == 40
    assert data.choosing_split(wanted, splits) == "validation"


def test_a_task_that_writes_needs_rows_to_choose_the_epoch_and_has_no_thresholds() -> None:
    with pytest.raises(SplitError) as caught:
        data.choosing_split(recipe("causal-lm"), {"train": pl.DataFrame()})
    assert "threshold" not in str(caught.value)
    last = recipe("causal-lm", training={"keep": "last"})
    assert data.choosing_split(last, {"train": pl.DataFrame()}) is None


def test_a_classifier_needs_rows_for_its_thresholds_even_if_it_keeps_the_last_epoch() -> None:
    last = recipe("text-classification", training={"keep": "last"})
    with pytest.raises(SplitError, match="the epoch and the thresholds on") as caught:
        data.choosing_split(last, {"train": pl.DataFrame()})
    assert caught.value.fix.endswith("`training.keep: last` with `task.threshold: 0.5`")
