"""Whole rows pass into a new file as they stood: its readers find the same cells."""

import csv
import io
import json
from pathlib import Path

import pytest

from burnish.data.rewrite import rewrite

ODD = [
    "lone\rreturn",
    "two\r\nmarks",
    "new\nline",
    'a "quote"',
    "",
    " spaces ",
    "a,b",
    "a\tb",
    "\r",
]


def written(path: Path, *, delimiter: str) -> bytes:
    """Every row of a file, written anew."""
    out = path.with_name(f"out{path.suffix}")
    rows = len(read(path.read_bytes(), delimiter=delimiter)) - 1
    rewrite(path, out, range(1, rows + 1))
    return out.read_bytes()


def read(body: bytes, *, delimiter: str) -> list[list[str]]:
    text = io.StringIO(body.decode(), newline="")
    return list(csv.reader(text, delimiter=delimiter, strict=True))


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_cells_come_back_whatever_marks_of_a_lines_end_they_hold(
    suffix: str, delimiter: str, tmp_path: Path
) -> None:
    path = tmp_path / f"in.{suffix}"
    rows = [["text", "head\ring"], *([cell, "x"] for cell in ODD)]
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(rows)

    assert read(written(path, delimiter=delimiter), delimiter=delimiter) == rows


@pytest.mark.parametrize(("suffix", "delimiter"), [("csv", ","), ("tsv", "\t")])
def test_other_cells_are_quoted_where_they_must_be_and_lines_end_in_a_line_feed(
    suffix: str, delimiter: str, tmp_path: Path
) -> None:
    path = tmp_path / f"in.{suffix}"
    lines = ["text,label", 'plain,"a ""quote"""', '"new\nline",', '"two\r\nmarks",x', " x ,y"]
    body = "\n".join(lines).replace(",", delimiter).encode() + b"\n"
    path.write_bytes(body)

    assert written(path, delimiter=delimiter) == body


def test_an_empty_cell_alone_on_its_line_is_no_blank_line(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b'text\r\none\r\n""\r\ntwo\r\n')

    assert written(path, delimiter=",") == b'text\none\n""\ntwo\n'


def test_half_a_surrogate_pair_in_a_list_comes_back_as_it_stood(tmp_path: Path) -> None:
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    rows = [{"text": "ü ✓ 😀", "other": "\ud83d \\ud83d"}, {"text": "b", "other": "\udc00"}]
    path.write_text(json.dumps(rows))

    rewrite(path, out, [1, 2])

    assert json.loads(out.read_text("utf-8")) == rows
    assert "ü ✓ 😀" in out.read_text("utf-8")
