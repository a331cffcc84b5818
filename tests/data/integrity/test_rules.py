"""Rules for single columns: what breaks one is found with its row, and becomes what is asked."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.integrity.rules import check_rules
from burnish.data.ledger import rows_left
from burnish.data.load import load_rows
from burnish.errors import BurnishError, CheckError, ColumnError, RecipeError
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.recipe.document import Document
from burnish.recipe.load import dump_recipe, load_recipe, validate
from burnish.recipe.recipe import Recipe
from burnish.runfolder import RunFolder

ROWS: list[dict[str, Any]] = [
    {"text": "one", "label": "a", "price": 1, "shop": "north", "code": "A1", "far": 0},
    {"text": "two two", "label": "b", "price": 2, "shop": "north", "code": "A2", "far": 0},
    {"text": "three 3", "label": "a", "price": 3, "shop": "south", "code": "b3", "far": 0},
    {"text": "four four four", "label": "b", "price": None, "shop": None, "code": None, "far": 0},
    {"text": "five", "label": "a", "price": 5, "shop": "west", "code": "A1", "far": 0},
    {"text": "six", "label": "b", "price": 2, "shop": "north", "code": "A2", "far": 90},
]


def recipe(folder: Path, *rules: dict[str, Any], **changes: Any) -> Recipe:
    (folder / "rows.json").write_text(json.dumps(ROWS), "utf-8")
    data = {"from": str(folder / "rows.json"), "rules": list(rules)}
    written = {
        "task": {"labels": ["a", "b"]}, "model": "m", "data": data | changes.pop("data", {}),
        "split": {"validation": 0.2, "test": 0, "by": "random"},
    }  # fmt: skip
    return validate(Document(written | changes, {}, "the recipe"))


def stage(given: Recipe, folder: Path, name: str = "ruled") -> Any:
    return execute([name], recipe=given, context=Context(folder=RunFolder(folder)))[name]


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ({"kind": "non-null", "column": "price"}, [4]),
        ({"kind": "non-null"}, []),
        ({"kind": "less-than", "column": "price", "value": 3}, [3, 5]),
        ({"kind": "greater-than", "column": "price", "value": 1.5}, [1]),
        ({"kind": "equal-to", "column": "shop", "value": "north"}, [3, 5]),
        ({"kind": "equal-to", "column": "price", "value": 2}, [1, 3, 5]),
        ({"kind": "in-set", "column": "shop", "values": ["north", "south"]}, [5]),
        ({"kind": "in-set", "column": "price", "values": [1, 2]}, [3, 5]),
        ({"kind": "in-set", "column": "price", "values": [1, 2.0]}, [3, 5]),
        ({"kind": "regex", "column": "code", "pattern": "^[A-Z][0-9]$"}, [3]),
        ({"kind": "regex", "pattern": "^[a-z ]+$"}, [3]),
        ({"kind": "unique", "column": "code"}, [5, 6]),
        ({"kind": "z-score", "column": "far", "most": 2}, [6]),
        ({"kind": "z-score", "column": "price", "most": 10}, []),
        ({"kind": "length", "least": 4}, [1, 6]),
        ({"kind": "length", "least": 1, "most": 2, "unit": "words"}, [4]),
    ],
)
def test_rows_that_break_a_rule_are_left_out_counted_and_told(
    rule: dict[str, Any], broken: list[int], tmp_path: Path
) -> None:
    told = stage(recipe(tmp_path, rule | {"action": "drop"}), tmp_path)

    rows = told.rows["train"]
    assert rows["row"].to_list() == [at for at in range(1, 7) if at not in broken]
    (entry,) = (one for one in told.entries if one.stage == "rules")
    name = f"{rule['kind']}:{rule['column']}" if "column" in rule else rule["kind"]
    assert entry.dropped == ({name: len(broken)} if broken else {})
    assert rows_left(told.entries) == {"train": 6 - len(broken)}
    findings = [one for one in told.findings if one.code == name]
    assert [(one.count, one.row, one.action) for one in findings] == (
        [(len(broken), broken[0], "drop")] if broken else []
    )


def spoken(folder: Path, *rules: dict[str, Any]) -> Recipe:
    """Rows in some languages, of which two could be in any."""
    texts = [
        "The battery does not last long.",
        "Der Akku hält leider nicht lange.",
        "ok",
        None,
        "La batterie ne tient pas longtemps.",
        "Where did I leave my keys?",
        "12345",
    ]
    rows = [{"text": f"row {at}", "label": "ab"[at % 2], "said": text, "price": at}
            for at, text in enumerate(texts)]  # fmt: skip
    given = recipe(folder, *rules)
    (folder / "rows.json").write_text(json.dumps(rows), "utf-8")
    return given


def test_a_text_in_another_language_breaks_the_rule_and_one_of_no_known_language_does_not(
    tmp_path: Path,
) -> None:
    rule = {"kind": "language", "column": "said", "action": "drop"}

    english = stage(spoken(tmp_path, rule | {"languages": ["en"]}), tmp_path)
    either = stage(spoken(tmp_path, rule | {"languages": ["en", "de"]}), tmp_path)

    assert english.rows["train"]["row"].to_list() == [1, 3, 4, 6, 7]
    assert either.rows["train"]["row"].to_list() == [1, 2, 3, 4, 6, 7]
    (told,) = (one for one in either.findings if one.code == "language:said")
    assert told.message.startswith("1 train row(s) break the rule language (languages ('en', 'de')")


def test_a_rule_of_languages_takes_codes_that_there_are_and_columns_of_texts(
    tmp_path: Path,
) -> None:
    for written in ("english", "en-GB"):
        with pytest.raises(RecipeError, match=r"data\.rules.*did you mean `en` \(English\)"):
            spoken(tmp_path, {"kind": "language", "languages": ["de", written]})
    with pytest.raises(RecipeError, match=r"data\.rules"):
        spoken(tmp_path, {"kind": "language", "languages": []})
    with pytest.raises(ColumnError, match="cannot be asked of column 'price'"):
        stage(spoken(tmp_path, {"kind": "language", "column": "price", "languages": ["en"]}),
              tmp_path)  # fmt: skip


def in_csv(folder: Path, rule: dict[str, Any], lines: str) -> Recipe:
    (folder / "rows.csv").write_text(f"text,label,price\n{lines}", "utf-8")
    return recipe(folder, rule | {"column": "price"}, data={"from": str(folder / "rows.csv")})


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ({"kind": "less-than", "value": 10}, [3, 4]),
        ({"kind": "greater-than", "value": 1.5}, [1]),
        ({"kind": "equal-to", "value": 9}, [1, 3, 4]),
        ({"kind": "equal-to", "value": "9.0"}, [1, 3, 4, 6]),
        ({"kind": "in-set", "values": [1, 9, 1000]}, [3]),
        ({"kind": "in-set", "values": ["1", "9.0"]}, [3, 4, 6]),
        ({"kind": "z-score", "most": 1.5}, [4]),
    ],
)
def test_numbers_of_a_csv_file_are_compared_as_numbers(
    rule: dict[str, Any], broken: list[int], tmp_path: Path
) -> None:
    lines = "one,a,1\ntwo,b,9.0\nthree,a,10\nfour,b,1e3\nfive,a,\nsix,b, 9 \n"

    rows = stage(in_csv(tmp_path, rule | {"action": "drop"}, lines), tmp_path).rows["train"]

    assert sorted({*range(1, 7)} - {*rows["row"]}) == broken
    assert rows.schema["meta:price"] == pl.String


def test_a_cell_that_is_no_number_is_told_with_its_file_and_row(tmp_path: Path) -> None:
    given = in_csv(tmp_path, {"kind": "less-than", "value": 3}, "one,a,1\ntwo,b,\nsix,b,dear\n")

    with pytest.raises(ColumnError, match="'price', which holds the text 'dear' where") as caught:
        stage(given, tmp_path)

    assert caught.value.where == "rows.csv row 3"


def test_a_row_is_left_out_for_the_first_rule_it_breaks(tmp_path: Path) -> None:
    told = stage(
        recipe(
            tmp_path,
            {"kind": "less-than", "column": "price", "value": 3, "action": "drop"},
            {"kind": "in-set", "column": "shop", "values": ["north"], "action": "drop"},
            {"kind": "greater-than", "column": "price", "value": 1, "action": "warn"},
        ),
        tmp_path,
    )

    (entry,) = (one for one in told.entries if one.stage == "rules")
    assert entry.dropped == {"less-than:price": 2}  # both are in other shops, too
    assert [(one.code, one.count) for one in told.findings[-3:]] == [
        ("less-than:price", 2), ("in-set:shop", 2), ("greater-than:price", 1),
    ]  # fmt: skip


def test_all_findings_are_told_before_a_rule_stops_the_run(tmp_path: Path) -> None:
    given = recipe(
        tmp_path,
        {"kind": "non-null", "column": "shop", "action": "warn"},
        {"kind": "less-than", "column": "price", "value": 3},
        {"kind": "regex", "column": "code", "pattern": "^A"},
    )

    with pytest.raises(CheckError) as caught:
        stage(given, tmp_path)

    assert "2 data check(s) failed" in caught.value.what
    told = "less-than:price: 2 train row(s) break the rule less-than (value 3.0)"
    assert told in caught.value.what
    assert caught.value.where == "rows.json row 3"
    assert [one.code for one in caught.value.findings] == [  # type: ignore[attr-defined]
        "non-null:shop", "less-than:price", "regex:code",
    ]  # fmt: skip


def test_answers_of_a_task_that_writes_can_have_rules(tmp_path: Path) -> None:
    data = {"input": "text", "output": "code", "checks": [{"kind": "null-label", "action": "drop"}]}
    rule = {"kind": "regex", "column": "code", "pattern": "^A", "action": "drop"}

    told = stage(recipe(tmp_path, rule, task="seq2seq", data=data), tmp_path)

    assert told.rows["train"]["row"].to_list() == [1, 2, 5, 6]
    assert "answer" not in told.rows["train"].columns


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"kind": "less-than", "column": "prize", "value": 3}, "no column is called 'prize'"),
        ({"kind": "less-than", "column": "shop", "value": 3}, "cannot be asked of column 'shop'"),
        ({"kind": "regex", "column": "price", "pattern": "a"}, "cannot be asked of column 'price'"),
        ({"kind": "regex", "pattern": "("}, "cannot be asked of column 'text'"),
        ({"kind": "z-score", "column": "shop"}, "cannot be asked of column 'shop'"),
        ({"kind": "less-than", "column": "price", "value": -1, "action": "drop"},
         "every training row has the same answer|no train row keeps the rules"),
        ({"kind": "length", "least": 99, "action": "drop"}, "no train row keeps the rules"),
        ({"kind": "in-set", "column": "label", "values": ["a"]}, "column 'label' holds the labels"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_asked_or_leaves_nothing_is_told(
    rule: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(BurnishError, match=told):
        stage(recipe(tmp_path, rule), tmp_path, "selected")


def test_without_rules_rows_go_on_as_they_are(tmp_path: Path) -> None:
    given = recipe(tmp_path)
    rows = stage(given, tmp_path, "checked").rows

    assert check_rules(given, rows) == (rows, (), ())


def test_a_recipe_with_rules_is_written_out_and_read_back(tmp_path: Path) -> None:
    given = recipe(tmp_path, {"kind": "in-set", "column": "price", "values": [1, 2.5, "x", True]})
    (tmp_path / "resolved.yaml").write_text(dump_recipe(given), "utf-8")

    assert load_recipe(tmp_path / "resolved.yaml") == given


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_nan_is_a_missing_value_and_breaks_no_rule_about_numbers(name: str, tmp_path: Path) -> None:
    prices = [*range(8), "NaN"]
    lines = {
        "rows.jsonl": [f'{{"text": "t {p}", "label": "a", "price": {p}}}' for p in prices],
        "rows.csv": ["text,label,price", *(f"t {p},a,{p}" for p in prices)],
    }[name]
    (tmp_path / name).write_text("\n".join([*lines, ""]))
    rules = [
        {"kind": "less-than", "column": "price", "value": 100},
        {"kind": "z-score", "column": "price", "most": 2},
    ]
    given = recipe(tmp_path, *rules, data={"from": str(tmp_path / name)})

    parts, _ = load_rows(given)
    kept, findings, _ = check_rules(given, parts)

    assert kept["train"].height == 9
    assert findings == ()


@pytest.mark.parametrize("values", [[1, 2], [1, 2.0], [1, 2, 2**53 + 1]])
@pytest.mark.parametrize("test", [[1.0, 2.5, None], [None, None], [1, 3], ["1", "3"]])
def test_numbers_are_looked_for_in_each_part_whatever_its_column_holds(
    values: list[float], test: list[Any], tmp_path: Path
) -> None:
    parts = {"train": [1, 2, 3, 2**53], "test": test}
    for name, prices in parts.items():
        lines = (f"{json.dumps({'text': 't', 'label': 'a', 'price': p})}\n" for p in prices)
        (tmp_path / f"{name}.jsonl").write_text("".join(lines))
    rule = {"kind": "in-set", "column": "price", "values": values, "action": "drop"}
    given = recipe(tmp_path, rule, data={"from": str(tmp_path)})

    kept = check_rules(given, load_rows(given)[0])[0]

    assert kept["train"]["row"].to_list() == [1, 2]
    fitting = [at for at, price in enumerate(test, 1) if price in (None, 1, "1")]
    assert kept["test"]["row"].to_list() == fitting
