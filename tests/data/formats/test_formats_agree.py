"""Whatever the format, the same rows come out; a contract for every registered reader."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from burnish.data.readers import READERS, format_of, read_batches, read_file
from burnish.data.table import BATCH_ROWS, ROW, DataFile, Fault, Kind, Table
from burnish.errors import BurnishError, DataFormatError, DataNotFoundError

COLUMNS = {"text": Kind.TEXT, "label": Kind.LABELS, "year": Kind.PLAIN}
ROWS = [
    {"text": "a plain text", "label": "x", "year": 2001},
    {"text": 'with "quotes", commas\nand a line end', "label": "y", "year": 2002},
    {"text": "Ünïcode ✓ \u2028", "label": "x", "year": None},
]


def written(kind: str, rows: list[dict[str, Any]]) -> bytes:
    if kind in {"jsonl", "ndjson"}:
        return "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows).encode()
    if kind == "json":
        return json.dumps(rows).encode()
    if kind == "parquet":
        buffer = io.BytesIO()
        pl.DataFrame(rows).write_parquet(buffer)
        return buffer.getvalue()
    if kind == "txt":
        return "".join(r["text"] + "\n" for r in rows).encode()
    return pl.DataFrame(rows).write_csv(separator="\t" if kind == "tsv" else ",").encode()


def read(path: Path, columns: dict[str, Kind] | None = None) -> Table:
    return read_file(DataFile(path=path, columns=columns or COLUMNS))


@pytest.mark.parametrize("is_upper", [False, True])
@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", [name for name in READERS.names() if name != "txt"])
def test_every_format_gives_the_same_rows(
    kind: str, packing: str, is_upper: bool, tmp_path: Path
) -> None:
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packing]
    path = tmp_path / (f"DATA.{kind}{packing}".upper() if is_upper else f"data.{kind}{packing}")
    path.write_bytes(pack(written(kind, ROWS)))

    table = read(path)

    assert table.rows_in == 3
    assert table.frame["text"].to_list() == [r["text"] for r in ROWS]
    assert table.frame["label"].to_list() == ["x", "y", "x"]
    assert table.frame["year"].cast(pl.Int64).to_list() == [2001, 2002, None]
    assert table.frame[ROW].to_list() == [1, 2, 3]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", READERS.names())
def test_a_missing_file_is_told_by_every_reader(kind: str, packing: str, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="no such file"):
        read(tmp_path / f"data.{kind}{packing}")


def test_a_file_in_a_closed_folder_is_told_as_such(closed: Path) -> None:
    with pytest.raises(DataNotFoundError, match="Permission denied"):
        read(closed / "a.jsonl")


def test_a_text_file_is_one_text_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one\n\n  two  \r\n", newline="")
    table = read(path, {"text": Kind.TEXT})
    assert table.frame["text"].to_list() == ["one", "  two  "]
    assert table.frame[ROW].to_list() == [1, 3]
    assert (table.rows_in, table.dropped) == (3, {"blank-line": 1})


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_an_element_that_is_no_row_harms_no_other_where_faults_are_taken_down(
    kind: str, tmp_path: Path
) -> None:
    rows = ['{"text": "a"}', "3", '{"text": "b", "more": [{"k": 1, "k": 2}]}', '{"text": 5}',
            '{"text": "c"}']  # fmt: skip
    path = tmp_path / f"a.{kind}"
    path.write_text("\n".join(rows) if kind == "jsonl" else f"[{', '.join(rows)}]")
    faults: list[Fault] = []

    tables = read_batches(DataFile(path=path, columns={"text": Kind.TEXT}), faults)

    kept = [(table.rows_in, table.frame["text"].to_list()) for table in tables]
    assert kept == [(5, ["a", "c"])]
    assert [fault.row for fault in faults] == [2, 3, 4]
    assert "'k' is there twice" in faults[1].what


def test_row_numbers_of_json_lines_count_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n" + written("jsonl", ROWS[:1]) + b"\n\n" + written("jsonl", ROWS[2:]))
    assert read(path).frame[ROW].to_list() == [2, 5]


def test_columns_of_changing_type_become_text_not_null(tmp_path: Path) -> None:
    rows = [{"text": "t", "label": "x", "year": value} for value in (1, 2.5, "soon", None, True)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(written("jsonl", rows))
    assert read(path).frame["year"].to_list() == ["1", "2.5", "soon", None, "true"]


@pytest.mark.parametrize("between", [0, BATCH_ROWS])
@pytest.mark.parametrize(("value", "told"), [(True, "true"), (2.0, "2"), (2.5, "2.5"), (7, "7")])
def test_a_value_becomes_the_same_text_in_whatever_batch_the_type_changes(
    value: Any, told: str, between: int, tmp_path: Path
) -> None:
    values = [value, *[None] * between, "soon"]
    rows = [{"text": "t", "label": "x", "year": one} for one in values]
    path = tmp_path / "a.jsonl"
    path.write_bytes(written("jsonl", rows))
    assert read(path).frame["year"].drop_nulls().to_list() == [told, "soon"]


def test_a_type_that_changes_after_many_rows_is_still_read(tmp_path: Path) -> None:
    rows = [
        {"text": "t", "label": "x", "year": n if n < 45_000 else f"y{n}"} for n in range(45_001)
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(written("jsonl", rows))
    years = read(path).frame["year"]
    assert (years[0], years[-1]) == ("0", "y45000")
    assert years.null_count() == 0


def test_labels_that_become_lists_after_many_rows_are_named_by_row(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "t", "label": "x", "year": 1}] * 45_000
    path = tmp_path / "a.jsonl"
    path.write_bytes(written("jsonl", [*rows, {"text": "t", "label": ["x"], "year": 1}]))
    with pytest.raises(DataFormatError, match="mixes single labels with lists") as caught:
        read(path)
    assert caught.value.where.endswith("row 45001")


def test_parquet_lists_categories_and_whole_floats_are_labels(tmp_path: Path) -> None:
    for number, labels in enumerate(
        [
            pl.Series(["x", "y"], dtype=pl.Categorical),
            pl.Series([1.0, None]),
            pl.Series([["x"], []], dtype=pl.List(pl.String)),
            pl.Series([[0, 3], [1]]),
            pl.Series([True, False]),
        ]
    ):
        path = tmp_path / f"{number}.parquet"
        pl.DataFrame({"text": ["a", "b"], "label": labels, "year": [1, 2]}).write_parquet(path)
        made = read(path).frame["label"]
        assert made.dtype in (pl.String, pl.List(pl.String))
        assert made.null_count() == labels.null_count()


LABELS = {
    "floats": ([1.0, 0.0], ["1", "0"]),
    "truth values": ([True, False], ["true", "false"]),
    "a gap among numbers": ([1.0, float("nan")], ["1", None]),
    "lists of floats": ([[1.0, 0.0], []], [["1", "0"], []]),
    "lists of truth values": ([[True], [False]], [["true"], ["false"]]),
}


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("labels", LABELS)
def test_a_label_is_the_same_in_every_format_that_types_it(
    kind: str, labels: str, tmp_path: Path
) -> None:
    values, names = LABELS[labels]
    path = tmp_path / f"a.{kind}"
    path.write_bytes(written(kind, [{"text": "t", "label": v, "year": 1} for v in values]))
    assert read(path).frame["label"].to_list() == names


@pytest.mark.parametrize("kind", ["jsonl", "json", "parquet"])
@pytest.mark.parametrize("wrong", [0.5, float("inf"), [0.5], [float("nan")]])
def test_a_number_that_is_not_whole_is_no_label_in_any_format(
    kind: str, wrong: Any, tmp_path: Path
) -> None:
    good = [1.0] if isinstance(wrong, list) else 1.0
    path = tmp_path / f"a.{kind}"
    path.write_bytes(written(kind, [{"text": "t", "label": v, "year": 1} for v in (good, wrong)]))
    with pytest.raises(DataFormatError, match="neither a label nor a list of labels") as caught:
        read(path)
    assert caught.value.where.endswith("row 2")


@pytest.mark.parametrize(
    "labels",
    [
        pl.Series([1, 0], dtype=pl.Decimal(10, 2)),
        pl.Series([[1], [0]], dtype=pl.Array(pl.Int64, 1)),
        pl.Series([["1"], ["0"]], dtype=pl.Array(pl.String, 1)),
    ],
)
def test_parquet_decimals_and_lists_of_one_length_are_labels(
    labels: pl.Series, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["a", "b"], "label": labels, "year": [1, 2]}).write_parquet(path)
    assert read(path).frame["label"].explode().to_list() == ["1", "0"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl", "jsonl"), ("a.b.CSV.GZ", "csv"), ("train", ""), ("x.zst", ""), ("a.xlsx", "xlsx")],
)
def test_the_format_is_told_by_the_suffix(name: str, kind: str) -> None:
    assert format_of(Path(name)) == kind


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
        min_size=1,
        max_size=8,
    ),
    kind=st.sampled_from(["jsonl", "json", "csv", "tsv", "parquet"]),
)
def test_any_text_survives_any_format(texts: list[str], kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(written(kind, [{"text": t, "label": "x", "year": 1} for t in texts]))
    assert read(path).frame["text"].to_list() == texts


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(
        ["jsonl", "json", "csv", "tsv", "parquet", "jsonl.gz", "jsonl.zst", "txt"]
    ),
    place=st.floats(0, 1, exclude_max=True),
    junk=st.binary(max_size=6),
    cut=st.booleans(),
)
def test_damaged_files_are_read_or_refused_never_a_traceback(
    kind: str, place: float, junk: bytes, cut: bool, tmp_path: Path
) -> None:
    content = written(kind.split(".", maxsplit=1)[0], ROWS * 3)
    if kind.endswith(".gz"):
        content = gzip.compress(content)
    if kind.endswith(".zst"):
        content = zstandard.compress(content)
    at = int(len(content) * place)
    path = tmp_path / f"a.{kind}"
    path.write_bytes(content[:at] + junk + (b"" if cut else content[at + len(junk) :]))
    try:
        table = read(path, {"text": Kind.TEXT} if kind == "txt" else None)
    except BurnishError:
        return  # it cannot be made without code, place and fix
    assert table.rows_in == table.frame.height + sum(table.dropped.values())


def test_rows_of_parquet_that_cannot_be_read_are_told_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    roles = (None, "narrator", "user", "user", "user")
    talks = [role and [{"role": role, "content": "hi"}] for role in roles]
    answers = [["a"], ["b"], ["c", None], ["\x00"], ["e"]]
    pl.DataFrame({"said": talks, "reply": answers}).write_parquet(path)
    faults: list[Fault] = []

    columns = {"said": Kind.INPUT, "reply": Kind.ANSWERS}
    (table,) = read_batches(DataFile(path=path, columns=columns), faults)

    assert table.rows_in == 5
    assert table.frame[ROW].to_list() == [1, 5]
    assert table.frame["said"].to_list() == [None, talks[4]]
    assert [fault.row for fault in faults] == [2, 3, 4]
    assert "role 'narrator'" in faults[0].what
    with pytest.raises(DataFormatError, match="narrator"):
        read(path, columns)


def test_a_parquet_file_without_a_row_that_can_be_read_has_an_empty_frame(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": ["\x00", "\x00"], "label": [0.5, 1.5]}).write_parquet(path)
    faults: list[Fault] = []

    columns = {"text": Kind.TEXT, "label": Kind.LABELS}
    (table,) = read_batches(DataFile(path=path, columns=columns), faults)

    assert table.frame.columns == ["text", "label", ROW]
    assert (table.frame.height, [fault.row for fault in faults]) == (0, [1, 2])
