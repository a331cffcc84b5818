"""Near-duplicates left out of a file: what is kept stands as it stood, what is not says why."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.data.dedupe import repeated
from burnish.data.readers import read_file
from burnish.data.rewrite import rewrite
from burnish.data.table import DataFile, Kind
from burnish.errors import ColumnError, DataFormatError, StorageError
from burnish.pipeline.deduplication import deduplicate

LONG = "the quick brown fox jumps over the lazy dog and runs into the deep dark forest at night"
ROWS: list[dict[str, Any]] = [
    {"text": LONG, "label": "a", "more": 1},
    {"text": "something else, with a comma", "label": "b", "more": 2},
    {"text": LONG.replace("lazy", "sleepy"), "label": "c", "more": 3},
    {"text": 'she said "no"\nand left', "label": "d", "more": 4},
    {"text": LONG.upper(), "label": "e", "more": 5},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pl.DataFrame(rows)
    kind = path.name.split(".", 1)[1]
    if kind in ("jsonl", "ndjson"):
        frame.write_ndjson(path)
    elif kind == "json":
        path.write_text(json.dumps(rows), "utf-8")
    elif kind == "parquet":
        frame.write_parquet(path)
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress(frame.write_ndjson().encode()))
    else:
        frame.write_csv(path, separator="\t" if kind == "tsv" else ",")
    return path


def read_back(path: Path) -> list[dict[str, Any]]:
    kind = path.suffix
    if kind == ".parquet":
        return pl.read_parquet(path).to_dicts()
    if kind == ".json":
        found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))
        return found
    if kind in (".csv", ".tsv"):
        return pl.read_csv(path, separator="\t" if kind == ".tsv" else ",").to_dicts()
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("kind", ["jsonl", "ndjson", "json", "csv", "tsv", "parquet", "jsonl.gz"])
def test_rows_are_kept_as_they_stood_in_every_format(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / f"rows.{kind}", ROWS)

    found = deduplicate(path, tmp_path / "out", similarity=0.75)

    assert read_back(found.kept_file) == [ROWS[0], ROWS[1], ROWS[3]]
    dropped = read_back(found.folder / "dropped.jsonl")
    assert [(one["row"], one["repeats_row"]) for one in dropped] == [(3, 1), (5, 1)]
    assert dropped[0]["repeats_text"] == LONG
    told = json.loads((found.folder / "dedupe.json").read_text("utf-8"))
    assert told["rows_in"] == told["kept"] + sum(told["dropped"].values())


def test_blank_lines_are_counted_and_lines_stay_to_the_letter(tmp_path: Path) -> None:
    first = '{"label": 1,   "text": "one two three"}'
    (tmp_path / "rows.jsonl").write_text(f'{first}\n\n{first}\n{{"text": "four"}}', "utf-8")

    found = deduplicate(tmp_path / "rows.jsonl", tmp_path / "out")

    assert found.kept_file.read_text("utf-8") == f'{first}\n{{"text": "four"}}\n'
    assert found.dropped == {"blank-line": 1, "near-duplicate": 1}
    assert found.rows_in == 4


def test_a_row_repeats_only_one_that_is_kept() -> None:
    words = [f"w{at}" for at in range(12)]
    chain = [words, [*words[:5], "x", *words[6:]], [*words[:5], "x", *words[6:9], "y", *words[10:]]]
    of = repeated(pl.Series([" ".join(one) for one in chain]), similarity=0.7)

    assert (of[of >= 0] < np.flatnonzero(of >= 0)).all()
    assert (of[of[of >= 0]] == -1).all()


@given(st.lists(st.text(alphabet="ab ", max_size=12), max_size=12))
def test_what_is_left_holds_no_text_twice(texts: list[str]) -> None:
    of = repeated(pl.Series(texts, dtype=pl.String), similarity=0.99)

    kept = [" ".join(t.split()) for t, earlier in zip(texts, of, strict=True) if earlier < 0]
    some = [text for text in kept if text]
    assert len(set(some)) == len(some)
    assert sum(not text.split() for text in texts) == len(kept) - len(some)


def test_planted_copies_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 5000, (2000, 20))
    copies = rows[:200].copy()
    copies[np.arange(200), rng.integers(1, 19, 200)] = 5001
    texts = [" ".join(map(str, row)) for row in np.concatenate([rows, copies]).tolist()]

    of = repeated(pl.Series(texts), similarity=0.8)

    assert (of[2000:] == np.arange(200)).mean() >= 0.95
    assert (of[:2000] == -1).all()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()

    with pytest.raises(StorageError, match="BN402"):
        deduplicate(path, tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["mine"]


def test_faults_of_the_file_are_told_before_anything_is_written(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", ROWS)

    with pytest.raises(ColumnError, match="no column is called 'txt'"):
        deduplicate(path, tmp_path / "out", text_column="txt")
    assert not (tmp_path / "out").exists()


def test_other_encodings_are_read_and_utf8_is_written(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("text\ncafé\nthé\n".encode("latin-1"))

    rewrite(path, tmp_path / "out.csv", [2], encoding="latin-1")

    assert (tmp_path / "out.csv").read_bytes() == "text\nthé\n".encode()
    table = read_file(DataFile(path=tmp_path / "out.csv", columns={"text": Kind.TEXT}))
    assert table.frame["text"].to_list() == ["thé"]


def test_a_format_that_cannot_be_copied_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFormatError, match="cannot be copied"):
        rewrite(tmp_path / "rows.xlsx", tmp_path / "out", [1])


def test_a_cell_may_be_as_long_in_a_copy_as_in_reading(tmp_path: Path) -> None:
    rows = [{"text": "short"}, {"text": "long " * 40_000}]

    found = deduplicate(write(tmp_path / "rows.csv", rows), tmp_path / "out")

    assert read_back(found.kept_file) == rows
