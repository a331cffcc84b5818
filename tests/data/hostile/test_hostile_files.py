"""Files that real exports produce and readers stumble over: each ends in a balanced ledger or in
one error that names its file and row; none loses a row without a word."""

import gzip
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard

from burnish.data.integrity.checks import check_parts, check_splits
from burnish.data.labels import settle_labels
from burnish.data.ledger import ledger_json
from burnish.data.load import load_rows
from burnish.data.splits import split_parts
from burnish.errors import BurnishError
from burnish.recipe.recipe import Recipe


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def row(number: int, **more: Any) -> dict[str, Any]:
    words = ("alpha", "beta", "gamma", "delta", "omega")
    text = f"{words[number % 5]} {words[number // 5 % 5]} {words[number // 25 % 5]} number {number}"
    return {"text": text, "label": "yes" if number % 2 else "no"} | more


TWENTY = [row(n) for n in range(20)]
GOOD = lines(*TWENTY)


def csv(*records: str, header: str = "text,label") -> bytes:
    return "\r\n".join([header, *records, ""]).encode()


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


CSV_ROWS = [f"{r['text']},{r['label']}" for r in TWENTY]


@dataclass(frozen=True)
class Case:
    name: str
    file: str
    content: bytes
    error: str = ""  # code; empty: the rows are read
    where: str = ""  # part of `where`
    what: str = ""  # part of `what`
    rows_in: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    task: dict[str, Any] = field(default_factory=dict)


def damaged_zstd() -> bytes:
    packed = zstandard.ZstdCompressor().compress(GOOD * 50)
    return packed[: len(packed) // 2]


CASES = [
    # Read, with every row told of.
    Case("byte-order mark", "a.jsonl", b"\xef\xbb\xbf" + GOOD, rows_in=20),
    Case("byte-order mark in csv", "a.csv", b"\xef\xbb\xbf" + csv(*CSV_ROWS), rows_in=20),
    Case(
        "blank lines",
        "a.jsonl",
        b"\n" + GOOD + b"  \n\r\n\n",
        rows_in=24,
        dropped={"blank-line": 4},
    ),
    Case("carriage returns", "a.jsonl", GOOD.replace(b"\n", b"\r\n"), rows_in=20),
    Case("no line end at the end", "a.jsonl", GOOD[:-1], rows_in=20),
    Case(
        "missing text key",
        "a.jsonl",
        GOOD + lines({"label": "yes"}, {"text": None, "label": "no"}),
        rows_in=22,
        dropped={"null-text": 2},
    ),
    Case(
        "empty and blank texts",
        "a.jsonl",
        GOOD + lines(row(20, text=""), row(21, text=" \t\u00a0 ")),
        rows_in=22,
        dropped={"empty-text": 2},
    ),
    Case(
        "null labels",
        "a.jsonl",
        GOOD + lines(row(20, label=None), {"text": "no label at all"}),
        rows_in=22,
        dropped={"null-label": 2},
    ),
    Case(
        "one row wrong in every way is dropped once",
        "a.jsonl",
        GOOD + lines({"text": None, "label": None}),
        rows_in=21,
        dropped={"null-text": 1},
    ),
    Case(
        "empty csv cells",
        "a.csv",
        csv(*CSV_ROWS, ",yes", "some text,"),
        rows_in=22,
        dropped={"empty-text": 1, "null-label": 1},
    ),
    Case(
        "blank lines in csv",
        "a.csv",
        csv(*CSV_ROWS[:10], "", "", *CSV_ROWS[10:]),
        rows_in=22,
        dropped={"blank-line": 2},
    ),
    Case("blank lines before the header", "a.csv", b"\r\n\n" + csv(*CSV_ROWS), rows_in=20),
    Case(
        "line ends and tabs inside tsv cells",
        "a.tsv",
        csv(*CSV_ROWS, '"a\nb, c",yes', '"a,\n,b",no').replace(b",", b"\t"),
        rows_in=22,
    ),
    Case(
        "line ends, commas and quotes inside csv cells",
        "a.csv",
        csv(*CSV_ROWS, '"a ""b"", and\nc",yes'),
        rows_in=21,
    ),
    Case("text of 1 MB in csv", "a.csv", csv(*CSV_ROWS, "x" * 1_000_000 + ",yes"), rows_in=21),
    Case("text of 1 MB", "a.jsonl", GOOD + lines(row(20, text="word " * 200_000)), rows_in=21),
    Case("unicode line separators in a text", "a.jsonl", GOOD + lines(row(20, text="a\u2028b")),
         rows_in=21),
    Case(
        "two gzip members",
        "a.jsonl.gz",
        gzip.compress(GOOD[: len(GOOD) // 2]) + gzip.compress(GOOD[len(GOOD) // 2 :]),
        rows_in=20,
    ),
    Case(
        "two zstd frames",
        "a.jsonl.zst",
        zstandard.compress(GOOD[:100]) + zstandard.compress(GOOD[100:]),
        rows_in=20,
    ),
    Case("utf-16 with the key set", "a.jsonl", GOOD.decode().encode("utf-16"), rows_in=20,
         data={"encoding": "utf-16"}),
    Case("utf-16 with a mark and the order in the key", "a.csv", csv(*CSV_ROWS).decode().encode(
         "utf-16"), rows_in=20, data={"encoding": "utf-16-le"}),
    Case("packed utf-16 without a mark", "a.jsonl.gz", gzip.compress(GOOD.decode().encode(
         "utf-16-be")), rows_in=20, data={"encoding": "UTF_16BE"}),
    Case("latin-1 with the key set", "a.csv", csv(*CSV_ROWS, "caf\xe9,yes").replace(b"\xc3\xa9",
         b"\xe9"), rows_in=21, data={"encoding": "latin-1"}),
    Case("labels saved as floats", "a.jsonl",
         lines(*(r | {"label": float(n % 2)} for n, r in enumerate(TWENTY))), rows_in=20),
    Case("columns named like ours", "a.jsonl", lines(*(r | {"row": 1, "id": 1,
         "file": "x"} for r in TWENTY)), rows_in=20),
    Case(
        "duplicates dropped when asked",
        "a.jsonl",
        GOOD + lines(row(0, text=TWENTY[0]["text"].upper() + "  "), *TWENTY[:2]),
        rows_in=23,
        dropped={"duplicates": 3},
        data={"checks": ({"kind": "duplicates", "action": "drop"},)},
    ),
    Case(
        "unknown labels dropped when asked",
        "a.jsonl",
        GOOD + lines(row(20, label="maybe"), row(21, label=7)),
        rows_in=22,
        dropped={"unknown-label": 2},
        data={"checks": ({"kind": "unknown-label", "action": "drop"},)},
        task={"labels": ("no", "yes")},
    ),
    Case("written lists in csv", "a.csv",
         csv(*(f'{r["text"]},"[{n % 2}]"' for n, r in enumerate(TWENTY))), rows_in=20),
    # Refused, with code, file and row.
    Case("empty file", "a.jsonl", b"", "BN205", "a.jsonl"),
    Case("only blank lines", "a.jsonl", b"\n\n \n", "BN205", "a.jsonl", "only blank lines"),
    Case("header only", "a.csv", b"text,label\n", "BN205", "a.csv"),
    Case("empty list", "a.json", b"[]", "BN205", "a.json"),
    Case("empty gzip", "a.jsonl.gz", gzip.compress(b""), "BN205", "a.jsonl.gz"),
    Case("half a line", "a.jsonl", GOOD + b'{"text": "abc', "BN202", "a.jsonl, row 21", "not JSON"),
    Case("a list in json lines", "a.jsonl", GOOD + b"[1, 2]\n", "BN202", "a.jsonl, row 21", "list"),
    Case("a json file named jsonl", "a.jsonl", json.dumps(TWENTY, indent=1).encode(), "BN202",
         "a.jsonl, row 1", "not JSON"),
    Case("a json object, not a list", "a.json", json.dumps({"rows": TWENTY}).encode(), "BN202",
         "a.json", "not a list"),
    Case("a number in a json list", "a.json", json.dumps([*TWENTY, 3]).encode(), "BN202",
         "a.json, row 21", "int"),
    Case("broken json list", "a.json", b'[\n{"text": "a",\n}]', "BN202", "a.json", "line 3"),
    Case("a key twice", "a.jsonl", GOOD + b'{"text": "a", "text": "b", "label": "no"}\n', "BN202",
         "row 21", "'text' is there twice"),
    Case("a key twice in a list", "a.json",
         b'[{"text": "a", "label": "x"}, {"text": "a", "text": "b"}]', "BN202", "row 2", "twice"),
    Case("a key twice in an object, not a list", "a.json", b'{"a": 1, "a": [{"b": 2}]}', "BN202",
         "a.json", "'a' is there twice"),
    Case("a key twice in a broken list", "a.json", b'[{"a": 1, "a": 2}, {', "BN202", "a.json",
         "not JSON"),
    Case("bad utf-8", "a.jsonl", GOOD + b'{"text": "caf\xe9", "label": "no"}\n', "BN202",
         "line 21", "0xe9"),
    Case("bad utf-8 in csv", "a.csv", csv(*CSV_ROWS) + b"caf\xe9,yes\n", "BN202", "line 22",
         "0xe9"),
    Case("utf-16 without the key", "a.jsonl", GOOD.decode().encode("utf-16"), "BN202", "row 1",
         "UTF-16"),
    Case("encoding nobody knows", "a.jsonl", GOOD, "BN202", "data.encoding", "klingon",
         data={"encoding": "klingon"}),
    Case("NUL bytes", "a.jsonl", GOOD + b"\x00\x00\x00\n", "BN202", "row 21", "NUL"),
    Case("NUL written as an escape", "a.jsonl", GOOD + lines(row(20, text="a\x00b")), "BN202",
         "row 21", "NUL"),
    Case("NUL bytes in csv", "a.csv", csv(*CSV_ROWS, "a\x00b,yes"), "BN202", "row 21", "NUL"),
    Case("half a surrogate pair", "a.jsonl", GOOD + b'{"text": "\\ud83d", "label": "no"}\n',
         "BN202", "row 21", "surrogate"),
    Case("too few cells", "a.csv", csv(*CSV_ROWS, "lonely"), "BN202", "row 21", "1 cells"),
    Case("too many cells", "a.tsv", csv("a\tb\tc", header="text\tlabel"), "BN202", "row 1",
         "3 cells"),
    Case("quote never closed", "a.csv", csv(*CSV_ROWS, '"abc,yes'), "BN202", "row 2", "quoting"),
    Case("gzip cut short", "a.jsonl.gz", gzip.compress(GOOD * 50)[:-40], "BN202", "a.jsonl.gz",
         "cut short"),
    Case("gzip that is none", "a.jsonl.gz", GOOD, "BN202", "a.jsonl.gz", "damaged"),
    Case("zstd cut short", "a.jsonl.zst", damaged_zstd(), "BN202", "a.jsonl.zst", "cut short"),
    Case("an archive without its suffix", "a.jsonl", gzip.compress(GOOD), "BN202", "row 1",
         "gzip archive"),
    Case("parquet cut short", "a.parquet", parquet(text=["a"] * 50, label=["x"] * 50)[:-20],
         "BN202", "a.parquet", "Parquet"),
    Case("parquet that is none", "a.parquet", GOOD, "BN202", "a.parquet", "Parquet"),
    Case("parquet with numbers for texts", "a.parquet", parquet(text=[1, 2], label=["x", "y"]),
         "BN204", "a.parquet", "Int64"),
    Case("number for a text", "a.jsonl", GOOD + lines(row(20, text=5)), "BN202", "row 21",
         "the number 5"),
    Case("nested text", "a.jsonl", GOOD + lines(row(20, text={"en": "hi"})), "BN202", "row 21",
         "an object"),
    Case("nested labels", "a.jsonl", GOOD + lines(row(20, label={"name": "x"})), "BN202",
         "row 21", "an object"),
    Case("lists of lists of labels", "a.jsonl", lines(row(0, label=["a"]), row(1, label=[["b"]])),
         "BN202", "row 2", "a list"),
    Case("single labels among lists", "a.jsonl", lines(row(0, label=["a"]), row(1, label="b")),
         "BN202", "row 2", "mixes"),
    Case("json nested without end", "a.jsonl", GOOD + b"[" * 100_000 + b"\n", "BN202", "row 21"),
    Case("number of 10,000 digits", "a.jsonl",
         GOOD + b'{"text": "a", "label": ' + b"9" * 10_000 + b"}\n", "BN202", "row 21"),
    Case("missing column", "a.jsonl", lines(*({"txt": r["text"], "label": "x"} for r in TWENTY)),
         "BN204", "a.jsonl", "'text'"),
    Case("semicolons", "a.csv", csv("a;b", header="text;label"), "BN204", "a.csv", "'text;label'"),
    Case("column twice", "a.csv", csv("a,b,c", header="text,text,label"), "BN204", "a.csv",
         "2 times"),
    Case("texts without labels", "a.txt", b"one\ntwo\n", "BN204", "a.txt", "no labels"),
    Case("workbook", "a.xlsx", b"PK\x03\x04", "BN202", "a.xlsx", ".xlsx"),
    Case("quotes of tsv that swallow rows", "a.tsv",
         csv(*CSV_ROWS, '"One said.,yes', "And so on.,no", 'Two said.",yes').replace(b",", b"\t"),
         "BN202", "row 21", "over 3 lines, each of which has 2 cells by itself"),
    Case("gz with a tail", "a.jsonl.gz", gzip.compress(GOOD) + b"tail", "BN202", "a.jsonl.gz",
         "20 whole line(s) could be read"),
    Case("one class only", "a.jsonl", lines(*(r | {"label": "x"} for r in TWENTY)), "BN206",
         "'label'", "same answer"),
    Case("unknown label", "a.jsonl", GOOD + lines(row(20, label="maybe")), "BN207",
         "a.jsonl row 21", "'maybe' (1)", task={"labels": ("no", "yes")}),
    Case("every text empty", "a.jsonl", lines(*(r | {"text": " "} for r in TWENTY)), "BN205",
         "train", "20 empty-text"),
    Case("an id twice", "a.jsonl", lines(*(r | {"key": n % 19} for n, r in enumerate(TWENTY))),
         "BN202", "a.jsonl row 1 and a.jsonl row 20", "'0'", data={"id": "key"}),
    Case("an id missing", "a.jsonl",
         lines(*(r | {"key": n or None} for n, r in enumerate(TWENTY))), "BN202", "row 1",
         "no id", data={"id": "key"}),
]  # fmt: skip


def whole_way(case: Case, folder: Path) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    (folder / case.file).write_bytes(case.content)
    recipe = Recipe.model_validate(
        {
            "task": case.task,
            "model": "m",
            "data": {"from": str(folder / case.file)} | case.data,
        }
    )
    parts, read = load_rows(recipe)
    space, parts = settle_labels(recipe.task, parts, label_column=recipe.data.label)
    parts, _, checked = check_parts(parts, space, recipe.data)
    splits, split = split_parts(parts, recipe.split, recipe.data, space)
    splits, _, leaks = check_splits(splits, space, recipe.data)
    return splits, ledger_json([*read, *checked, *split, *leaks])


@pytest.mark.parametrize(
    "case", [c for c in CASES if not c.error], ids=lambda c: c.name.replace(" ", "-")
)
def test_rows_in_are_rows_kept_plus_rows_dropped_by_reason(case: Case, tmp_path: Path) -> None:
    splits, ledger = whole_way(case, tmp_path)

    totals = ledger["totals"]
    assert totals["rows_in"] == case.rows_in
    assert totals["dropped"] == case.dropped
    assert sum(totals["kept"].values()) == case.rows_in - sum(case.dropped.values())
    assert {name: frame.height for name, frame in splits.items()} == totals["kept"]


@pytest.mark.parametrize(
    "case", [c for c in CASES if c.error], ids=lambda c: c.name.replace(" ", "-")
)
def test_what_cannot_be_read_is_refused_with_code_file_and_row(case: Case, tmp_path: Path) -> None:
    with pytest.raises(BurnishError) as caught:
        whole_way(case, tmp_path)

    error = caught.value
    assert error.code == case.error
    assert error.exit_code in {2, 3}
    assert case.where in error.where
    assert case.what in error.what
    assert error.fix


@pytest.mark.parametrize("letter", ["", "é"])
@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "json"])
def test_utf_16_without_a_mark_is_told_with_its_order(
    kind: str, order: str, letter: str, tmp_path: Path
) -> None:
    text = {
        "csv": csv(*CSV_ROWS).decode(),
        "jsonl": GOOD.decode(),
        "json": json.dumps(TWENTY),
    }[kind].replace("alpha", f"alpha{letter}")
    case = Case("", f"a.{kind}", text.encode(order))
    with pytest.raises(BurnishError) as caught:
        whole_way(case, tmp_path)
    assert f"`data.encoding: {order}`" in caught.value.fix
    assert "row 0" not in caught.value.where
