"""Files for tasks that write, as real exports have them: each ends in a balanced ledger or in one
error that names its file and row and the key to set."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from burnish.data.integrity.checks import check_parts, check_splits
from burnish.data.ledger import ledger_json
from burnish.data.load import load_rows
from burnish.data.settle import settle
from burnish.data.splits import split_parts
from burnish.errors import BurnishError
from burnish.recipe.recipe import Recipe
from burnish.records import Finding

WORDS = ("latte", "mocha", "steamer", "chai", "tea")


def row(number: int, **more: Any) -> dict[str, Any]:
    order = f"{WORDS[number % 5]} and {WORDS[number // 5 % 5]} number {number}"
    return {"question": f"Could I have a {order}?", "reply": f"One {order}, of course."} | more


TWENTY = [row(n) for n in range(20)]
LISTS = [row(n, reply=[f"One {n}.", f"Of course, {n}."]) for n in range(20)]


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(rows).write_parquet(buffer)
    return buffer.getvalue()


GOOD = lines(*TWENTY)
CSV = "question,reply\n" + "".join(f'{r["question"]},"{r["reply"]}"\n' for r in TWENTY)


@dataclass(frozen=True)
class Case:
    name: str
    file: str
    content: bytes
    error: str = ""  # code; empty: the rows are read
    where: str = ""  # part of `where`
    what: str = ""  # part of `what`
    fix: str = ""  # part of `fix`
    rows_in: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


CASES = [
    # Read, with every row told of.
    Case("a json list of objects", "a.json", json.dumps(TWENTY, indent=1).encode(), rows_in=20),
    Case("lists of accepted replies", "a.jsonl", lines(*LISTS), rows_in=20),
    Case("lists of accepted replies in parquet", "a.parquet", parquet(LISTS), rows_in=20),
    Case("single replies among lists", "a.jsonl", lines(*TWENTY[:10], *LISTS[10:]), rows_in=20),
    Case("empty and blank replies", "a.jsonl", GOOD + lines(row(20, reply=""),
         row(21, reply=" \t\u00a0\n")), rows_in=22, dropped={"empty-answer": 2}),
    Case("an empty reply among accepted ones", "a.jsonl",
         lines(*LISTS, row(20, reply=["Yes.", ""])), rows_in=21, dropped={"empty-answer": 1}),
    Case("missing replies", "a.jsonl", GOOD + lines(row(20, reply=None), {"question": "Tea?"}),
         rows_in=22, dropped={"null-label": 2}),
    Case("empty lists of replies", "a.jsonl", lines(*LISTS, row(20, reply=[])), rows_in=21,
         dropped={"null-label": 1}),
    Case("missing and empty questions", "a.jsonl", GOOD + lines({"reply": "Yes."},
         row(20, question=" ")), rows_in=22, dropped={"null-text": 1, "empty-text": 1}),
    Case("empty cells in csv", "a.csv", (CSV + "Tea?,\n,Yes.\n").encode(), rows_in=22,
         dropped={"empty-answer": 1, "empty-text": 1}),
    Case("replies that look like labels, lists or numbers", "a.csv",
         CSV.encode() + b'Which sizes?,"[""S"", ""L""]"\nHow much?,4\nReally?,null\n', rows_in=23),
    Case("one reply to every question", "a.jsonl", lines(*(r | {"reply": "No."} for r in TWENTY)),
         rows_in=20),
    Case("two replies to one question left out when asked", "a.jsonl",
         GOOD + lines(TWENTY[3] | {"reply": "No."}), rows_in=21, dropped={"conflicting-labels": 2},
         data={"checks": ({"kind": "conflicting-labels", "action": "drop"},)}),
    # Refused, with code, file and row.
    Case("a number for a reply", "a.jsonl", GOOD + lines(row(20, reply=4.5)), "BN202",
         "a.jsonl, row 21", "the number 4.5 where a text or a list of texts", "`data.output`"),
    Case("a number for a reply in a json list", "a.json", json.dumps([*TWENTY, row(20, reply=4)])
         .encode(), "BN202", "a.json, row 21", "the number 4", "`data.output`"),
    Case("a truth value for a reply", "a.jsonl", GOOD + lines(row(20, reply=True)), "BN202",
         "row 21", "True"),
    Case("an object for a reply", "a.jsonl", GOOD + lines(row(20, reply={"text": "Yes."})), "BN202",
         "row 21", "an object"),
    Case("a list of replies with null", "a.jsonl", lines(*LISTS, row(20, reply=["Yes.", None])),
         "BN202", "a.jsonl, row 21", "null in a list of texts"),
    Case("a list of replies with a number", "a.jsonl", lines(*LISTS, row(20, reply=["Yes.", 2])),
         "BN202", "a.jsonl, row 21", "the number 2 in a list of texts"),
    Case("a list of lists of replies", "a.jsonl", lines(*LISTS, row(20, reply=[["Yes."]])),
         "BN202", "a.jsonl, row 21", "a list ['Yes.'] in a list of texts"),
    Case("a list with null in parquet", "a.parquet", parquet([*LISTS, row(20, reply=[None])]),
         "BN202", "a.parquet, row 21", "null in a list of texts"),
    Case("numbers for replies in parquet", "a.parquet",
         parquet([r | {"reply": n} for n, r in enumerate(TWENTY)]), "BN204", "a.parquet",
         "Int64, not a text or a list of texts"),
    Case("lists of numbers in parquet", "a.parquet",
         parquet([r | {"reply": [n]} for n, r in enumerate(TWENTY)]), "BN204", "a.parquet",
         "List(Int64)"),
    Case("NUL in a reply", "a.jsonl", GOOD + lines(row(20, reply="a\x00b")), "BN202", "row 21",
         "NUL"),
    Case("NUL in a list of replies", "a.jsonl", lines(*LISTS, row(20, reply=["a", "b\x00"])),
         "BN202", "row 21", "NUL"),
    Case("half a character in a list of replies", "a.jsonl",
         lines(*LISTS) + b'{"question": "Tea?", "reply": ["\\ud800"]}\n', "BN202", "row 21",
         "surrogate"),
    Case("a number for a question", "a.jsonl", GOOD + lines(row(20, question=5)), "BN202",
         "row 21", "the number 5", "`data.input`"),
    Case("a misspelt column of questions", "a.jsonl", GOOD, "BN204", "a.jsonl", "'questions'",
         "`data.input`, `data.output` and the other column keys to names in the file; did you mean "
         "'question'?", data={"input": "questions"}),
    Case("a misspelt column of replies", "a.json", json.dumps(TWENTY).encode(), "BN204", "a.json",
         "'replys'", "did you mean 'reply'?", data={"output": "replys"}),
    Case("columns named with the keys of a classifier", "a.jsonl", GOOD, "BN204", "a.jsonl",
         "'input'; the file has 'question', 'reply'", "`data.input`, `data.output`",
         data={"input": "input", "output": "output", "text": "question", "label": "reply"}),
    Case("one column for both", "a.jsonl", GOOD, "BN204", "`data.input` and `data.output`",
         "'reply' is asked to be two things", data={"input": "reply"}),
    Case("texts without replies", "a.txt", b"one\ntwo\n", "BN204", "a.txt", "no answers"),
    Case("no reply in any row", "a.jsonl", lines(*(r | {"reply": None} for r in TWENTY)), "BN206",
         "train", "'reply' is empty in every row", "`data.output`"),
    Case("every reply blank", "a.jsonl", lines(*(r | {"reply": " "} for r in TWENTY)), "BN205",
         "train", "20 empty-answer", "`data.input` and `data.output`"),
    Case("half a surrogate pair in a message", "a.jsonl",
         lines(row(0, question=[{"role": "user", "content": "\ud800"}])), "BN202", "row 1",
         "half of a surrogate pair", "a correct UTF-8 or JSON encoder"),
    Case("roles in a list", "a.jsonl",
         lines(row(0, question=[{"role": ["user"], "content": "hi"}])), "BN202", "row 1",
         "a message of the role ['user']", "`role` and `content`"),
    Case("a check of labels", "a.jsonl", GOOD, "BN101", "data.checks[0].kind",
         "unknown-label does not apply to tasks whose answers are texts",
         data={"checks": ({"kind": "unknown-label", "action": "drop"},)}),
]  # fmt: skip


def whole_way(case: Case, folder: Path) -> tuple[dict[str, pl.DataFrame], Any, list[Finding]]:
    (folder / case.file).write_bytes(case.content)
    columns = {"from": str(folder / case.file), "input": "question", "output": "reply"}
    recipe = Recipe.model_validate(
        {"task": {"kind": "causal-lm"}, "model": "m", "data": columns | case.data}
    )
    parts, read = load_rows(recipe)
    space, parts = settle(recipe, parts)
    parts, found, checked = check_parts(parts, space, recipe.data)
    splits, split = split_parts(parts, recipe.split, recipe.data, space)
    splits, more, leaks = check_splits(splits, space, recipe.data)
    return splits, ledger_json([*read, *checked, *split, *leaks]), [*found, *more]


@pytest.mark.parametrize(
    "case", [c for c in CASES if not c.error], ids=lambda c: c.name.replace(" ", "-")
)
def test_rows_in_are_rows_kept_plus_rows_dropped_by_reason(case: Case, tmp_path: Path) -> None:
    splits, ledger, found = whole_way(case, tmp_path)

    totals = ledger["totals"]
    assert totals["rows_in"] == case.rows_in
    assert totals["dropped"] == case.dropped
    assert sum(totals["kept"].values()) == case.rows_in - sum(case.dropped.values())
    assert {f.code: f.count for f in found if f.action == "drop"} == case.dropped
    for rows in splits.values():
        assert rows["labels"].dtype == pl.List(pl.String)
        assert rows["labels"].list.eval(pl.element().is_not_null()).list.all().all()


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.error], ids=lambda c: c.name.replace(" ", "-")
)
def test_what_cannot_be_read_is_refused_with_code_file_row_and_key(
    case: Case, tmp_path: Path
) -> None:
    with pytest.raises(BurnishError) as caught:
        whole_way(case, tmp_path)

    error = caught.value
    assert (error.code, error.exit_code) == (case.error, 2)
    assert case.where in error.where
    assert case.what in error.what
    assert case.fix in error.fix
    assert "label" not in error.what.replace("unknown-label", "")
