"""A recipe's formula divides the rows: none is lost, and each that is left out says why."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.signals.select import select
from burnish.data.signals.signal import Signal
from burnish.errors import BurnishError, ColumnError, SignalError
from burnish.files import read_json, read_jsonl
from burnish.pipeline.check import check
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.plugins import check_plugins
from burnish.recipe.document import Document
from burnish.recipe.load import dump_recipe, load_recipe, validate
from burnish.recipe.recipe import Recipe
from burnish.runfolder import RunFolder

TEXTS = (
    "Nova shoes are stylish", "Nova shoes are not stylish", "A stylish hat",
    "Nova hats are great", "unfashionable Nova shoes", "Nova shoes are comfortable",
)  # fmt: skip
SIGNALS: dict[str, Any] = {
    "brand": {"kind": "contains", "words": ["Nova"]},
    "product": {"kind": "contains", "words": ["shoe", "shoes"]},
    "mood": {"kind": "sentiment"},
    "cheap": {"kind": "value", "column": "price"},
    "shop": {"kind": "one-of", "column": "shop", "values": ["north"]},
    "long": {"kind": "length", "unit": "characters"},
    "mail": {"kind": "personal", "kinds": ["email"]},
    "odd": {"kind": "matches", "pattern": "^A"},
    "good": {"kind": "label", "labels": ["good"]},
}


def recipe(folder: Path, formula: str | None, **changes: Any) -> Recipe:
    rows = [
        {"text": f"{text} no {turn}", "label": ["good", "bad"][turn % 2], "price": 6 * turn + at,
         "shop": ["north", None][at % 2], "reply": f"reply {at}"}
        for turn in range(5)
        for at, text in enumerate(TEXTS)
    ]  # fmt: skip
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    data = {"from": str(folder / "rows.json"), "signals": SIGNALS, "select": formula,
            "checks": [{"kind": "leak", "action": "ignore"}]}  # fmt: skip
    written = {
        "task": changes.pop("task", {"labels": ["good", "bad"]}),
        "model": "m",
        "data": data | changes.pop("data", {}),
        "split": {"by": "random"},
    }
    return validate(Document(written | changes, {}, "the recipe"))


def found(given: Recipe, folder: Path, *names: str) -> dict[str, Any]:
    return execute(names, recipe=given, context=Context(folder=RunFolder(folder)))


def test_rows_that_are_surely_true_are_kept_and_the_ledger_tells_the_others(tmp_path: Path) -> None:
    given = recipe(tmp_path, "brand & product & (mood > 0)")

    told = found(given, tmp_path, "selected", "leak_checked")

    rows = told["selected"].rows["train"]
    assert {text[:-5] for text in rows["text"]} == {TEXTS[0], TEXTS[5]}
    (entry,) = (one for one in told["selected"].entries if one.stage == "select")
    assert (entry.rows_in, entry.kept, entry.dropped) == (30, 10, {"not-selected": 20})
    assert sum(one.height for one in told["leak_checked"].rows.values()) == 10


def test_rows_of_a_language_are_kept_and_those_of_no_known_one_counted_apart(
    tmp_path: Path,
) -> None:
    signals = {"lang": {"kind": "language", "column": "said"}}
    formulas = {
        'lang == "en"': ([1], {"not-selected": 1, "signal-unknown": 1}),
        'lang != "en"': ([2], {"not-selected": 1, "signal-unknown": 1}),
        '(lang == "de") | (lang == "en")': ([1, 2], {"signal-unknown": 1}),
    }
    said = ["The battery does not last long.", "Der Akku hält leider nicht lange.", "ok"]
    for formula, (rows, gone) in formulas.items():
        given = recipe(tmp_path, formula, data={"signals": signals})
        lines = [
            {"text": f"t {at}", "label": ["good", "bad"][at % 2], "said": text}
            for at, text in enumerate(said)
        ]
        (tmp_path / "rows.json").write_text(json.dumps(lines), "utf-8")

        (kept,) = found(given, tmp_path, "selection")["selection"].values()

        assert kept.kept["row"].to_list() == rows
        assert kept.tally.entry("train").dropped == gone


def test_a_language_is_compared_with_a_code_that_there_is(tmp_path: Path) -> None:
    signals = SIGNALS | {"lang": {"kind": "language"}}
    for formula in ('brand & (lang == "english")', '~("EN" == lang) | brand', "lang != 3"):
        given = recipe(tmp_path, formula, data={"signals": signals})
        with pytest.raises(SignalError, match="is no ISO 639-1 code") as raised:
            check_plugins(given)
        assert raised.value.where == "recipe key `data.select`"
        assert raised.value.fix == "did you mean `en` (English)?" or formula == "lang != 3"
    # A text of another column is what it is.
    other = recipe(
        tmp_path, '(town == "english") & (lang == lang)',
        data={"signals": signals | {"town": {"kind": "value", "column": "shop"}}},
    )  # fmt: skip
    check_plugins(other)


def test_every_row_left_out_is_in_a_file_with_what_the_signals_said(tmp_path: Path) -> None:
    told = found(recipe(tmp_path, "brand & (cheap >= 20) & shop"), tmp_path, "selection_files",
                 "selected")  # fmt: skip

    assert [path.name for path in told["selection_files"]] == ["selection.json", "left-out.jsonl"]
    summary = read_json(tmp_path / "selection.json")
    lines = read_jsonl(tmp_path / "left-out.jsonl")
    kept = told["selected"].rows["train"]
    assert summary["formula"] == "brand & (cheap >= 20) & shop"
    assert (summary["train"]["kept"], summary["train"]["left_out"]) == (kept.height, len(lines))
    assert kept.height + len(lines) == 30
    by_name = {one["signal"]: one for one in summary["train"]["signals"]}
    assert by_name["brand"]["passed"] == 25
    assert (by_name["cheap"]["passed"], by_name["cheap"]["rows"]) == (None, 30)
    assert by_name["shop"]["unknown"] == 15
    assert all(one["seconds"] >= 0 for one in by_name.values())
    # Where the shop is not known, the rest decides; where that holds too, nobody can know.
    unknown = [one for one in lines if one["selected"] is None]
    assert {one["signal:shop"] for one in unknown} == {None}
    assert {one["formula"] for one in lines} == {summary["formula"]}
    assert {(one["part"], one["file"]) for one in lines} == {("train", "rows.json")}
    (entry,) = (one for one in told["selected"].entries if one.stage == "select")
    assert entry.dropped == {
        "not-selected": len(lines) - len(unknown), "signal-unknown": len(unknown),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("formula", "texts"),
    [
        ("good", set(TEXTS)),
        ("odd", {TEXTS[2]}),
        ("~mail & (long < 20)", {TEXTS[2]}),
        ("~brand | shop & ~product", {TEXTS[2]}),
        ("brand ^ product", {TEXTS[3]}),
    ],
)
def test_each_ready_signal_can_be_declared(formula: str, texts: set[str], tmp_path: Path) -> None:
    given = recipe(tmp_path, f"({formula}) | mail")

    rows = found(given, tmp_path, "selection")["selection"]["train"].kept

    assert {text[:-5] for text in rows["text"]} == texts


@pytest.mark.parametrize(
    ("formula", "told"),
    [
        ("mail", "no train row is selected; true by signal: mail: 0 of 30"),
        ("good", "every training row has the same answer"),
    ],
)
def test_a_selection_that_leaves_nothing_to_learn_is_refused(
    formula: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(BurnishError, match=told):
        found(recipe(tmp_path, formula), tmp_path, "selected")


def test_a_task_that_writes_reads_inputs_answers_and_other_columns(tmp_path: Path) -> None:
    signals = {
        "brand": {"kind": "contains", "words": ["Nova"]},
        "third": {"kind": "matches", "pattern": "3$", "column": "reply"},
        "cheap": {"kind": "value", "column": "price"},
    }
    data = {"signals": signals, "input": "text", "output": "reply"}
    given = recipe(tmp_path, "brand & third & (cheap < 10)", task="seq2seq", data=data)

    rows = found(given, tmp_path, "selected")["selected"].rows["train"]

    assert rows["text"].to_list() == [f"{TEXTS[3]} no 0", f"{TEXTS[3]} no 1"]
    assert "answer" not in rows.columns


def test_without_a_formula_nothing_is_left_out_and_no_file_is_written(tmp_path: Path) -> None:
    told = found(recipe(tmp_path, None), tmp_path, "selected", "selection_files")

    assert told["selected"].rows["train"].height == 30
    assert told["selection_files"] == []
    assert not (tmp_path / "selection.json").exists()


def test_a_recipe_with_signals_is_written_out_and_read_back(tmp_path: Path) -> None:
    given = recipe(tmp_path, "brand & product")
    path = tmp_path / "resolved.yaml"
    path.write_text(dump_recipe(given), "utf-8")

    assert load_recipe(path) == given


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data": {"select": "brnad"}}, "no signal is called 'brnad'"),
        ({"data": {"signals": {"a": {"kind": "matches", "pattern": "("}}, "select": "a"}},
         "is no pattern"),
        ({"data": {"signals": {"not": {"kind": "length"}}, "select": None}},
         "cannot be called 'not'"),
        ({"task": "seq2seq", "data": {"select": None}}, "the task has no labels"),
    ],
)  # fmt: skip
def test_what_no_row_is_needed_for_is_found_before_any_work(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(BurnishError, match=told) as caught:
        check_plugins(recipe(tmp_path, "brand", **changes))

    assert caught.value.code == "BN209"


def test_a_column_that_is_not_there_is_told_with_its_file(tmp_path: Path) -> None:
    signals = {"a": {"kind": "value", "column": "prize"}}
    given = recipe(tmp_path, "a > 3", data={"signals": signals})

    error = check(given).error

    assert error
    assert "no column is called 'prize'" in error.what
    assert "did you mean 'price'" in error.fix


def test_a_formula_that_is_a_number_cannot_select() -> None:
    rows = pl.DataFrame({"id": ["a"], "file": ["f"], "row": [1], "text": ["x"]})

    with pytest.raises(BurnishError, match="it is a value for each row") as caught:
        select(rows, Signal("n", pl.col("text").str.len_chars()))

    assert caught.value.fix == "compare it, as in `n > 3`"


def priced(folder: Path, prices: list[str], formula: str) -> Recipe:
    given = recipe(folder, formula, data={"from": str(folder / "rows.csv")})
    rows = [f"row {at},{['good', 'bad'][at % 2]},{one},north" for at, one in enumerate(prices)]
    (folder / "rows.csv").write_text("\n".join(["text,label,price,shop", *rows]) + "\n", "utf-8")
    return given


@pytest.mark.parametrize(
    ("formula", "rows"),
    [
        ("cheap < 9.5", [1, 2, 5]),
        ("cheap == 9", [2, 5]),
        ("~(9 < cheap)", [1, 2, 5]),
        ("(cheap > 1) & (cheap != '9.0')", [3, 5, 6]),
    ],
)
def test_numbers_of_a_csv_file_are_compared_as_numbers_and_gaps_stay_unknown(
    formula: str, rows: list[int], tmp_path: Path
) -> None:
    given = priced(tmp_path, ["1", "9.0", "10", "", "9", "12"], formula)

    kept = found(given, tmp_path, "selected")["selected"].rows["train"]

    assert kept["row"].to_list() == rows


def test_a_cell_that_is_no_number_is_told_with_its_file_and_row(tmp_path: Path) -> None:
    given = priced(tmp_path, ["1", "", "dear", "3"], "cheap < 5")

    with pytest.raises(ColumnError, match="`cheap` is compared with a number") as caught:
        found(given, tmp_path, "selected")

    assert caught.value.where == "rows.csv row 3"
    assert "'dear'" in caught.value.what


def test_values_that_cannot_be_compared_are_told_in_one_line(tmp_path: Path) -> None:
    given = priced(tmp_path, ["1", "2", "3", "4"], "long < cheap")

    with pytest.raises(SignalError, match="cannot compare") as caught:
        found(given, tmp_path, "selected")

    assert "\n" not in caught.value.what
