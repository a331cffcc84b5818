"""Files of rows answered in order, whatever stands in them, and gone on with when interrupted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from burnish.data.file_form import FileForm
from burnish.data.reading import Reading
from burnish.data.table import BATCH_ROWS, Faults
from burnish.errors import DataFormatError, DataNotFoundError, EmptyDataError, UsageError
from burnish.pipeline import batch_answers
from burnish.pipeline.answer import OpenModel, answer_texts, open_model
from burnish.pipeline.batch_answers import answer_to_file
from burnish.pipeline.run import Outcome
from burnish.runfolder import read_predictions

TEXTS = [f"You agree to arbitration number {at}." for at in range(23)]


@pytest.fixture(scope="module")
def model(outcome: Outcome) -> OpenModel:
    return open_model(str(outcome.folder.root), tracking_uri="sqlite:///burnish.db")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Progress is marked after every five rows."""
    monkeypatch.setattr(batch_answers, "_ROWS", 5)
    return 5


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def row(text: Any) -> str:
    return json.dumps({"text": text})


def faults(path: Path) -> list[tuple[int, str]]:
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return [(one["row"], one["what"]) for one in lines]


def test_answers_are_those_of_single_texts_in_the_order_of_the_rows(
    model: OpenModel, few: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.jsonl", [row(text) for text in TEXTS])

    found = answer_to_file(model, path, tmp_path / "out.jsonl")

    made, alone = read_predictions(found.out), answer_texts(model, TEXTS)
    assert [one.example_id for one in made] == [f"in.jsonl:{at}" for at in range(1, 24)]
    assert [one.answer for one in made] == [one.answer for one in alone]
    assert found.words == "23 rows in = 23 answered"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_bad_row_is_told_with_its_number_and_harms_no_other(
    model: OpenModel, few: int, tmp_path: Path
) -> None:
    lines = [row(text) for text in TEXTS]
    lines[2], lines[4], lines[9], lines[11], lines[12] = "{broken", "", row(7), row(" "), row(None)

    found = answer_to_file(model, write(tmp_path / "in.jsonl", lines), tmp_path / "out.jsonl")

    assert found.faults == tmp_path / "out.jsonl.faults.jsonl"
    told = dict(faults(found.faults))
    assert list(told) == [3, 10, 12, 13]
    assert "not JSON" in told[3]
    assert "the number 7 where a text is expected" in told[10]
    assert told[12] == told[13] == "the text is empty"
    answered = [int(one.example_id.split(":")[1]) for one in read_predictions(found.out)]
    assert answered == [at for at in range(1, 24) if at not in (3, 5, 10, 12, 13)]
    assert (found.rows_in, found.answered, found.blank) == (23, 18, 1)
    assert sum(found.without.values()) == 4


def test_ragged_records_of_csv_are_told_and_the_others_answered(
    model: OpenModel, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.csv", ["text,n", "one thing,1", "a,b,c", "another thing,2"])

    found = answer_to_file(model, path, tmp_path / "out.jsonl")

    assert faults(tmp_path / "out.jsonl.faults.jsonl") == [
        (2, "the record has 3 cells, the header 2")
    ]
    assert found.answered == 2


@pytest.mark.parametrize("stop", [5, 10, 20])
def test_an_interrupted_call_goes_on_where_it_was(
    stop: int, model: OpenModel, few: int, tmp_path: Path
) -> None:
    lines = [row(text) for text in TEXTS]
    lines[1], lines[7], lines[21] = row(""), "{", row("")
    path, out = write(tmp_path / "in.jsonl", lines), tmp_path / "out.jsonl"
    answer_to_file(model, path, tmp_path / "whole.jsonl")

    def interrupt(rows: int) -> None:
        if rows == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_to_file(model, path, out, told=interrupt)
    assert not out.exists()
    # What was written behind the last mark of progress is written again, once.
    with (tmp_path / ".out.jsonl.partial" / "answers.jsonl").open("a") as file:
        file.write('{"half a li')
    found = answer_to_file(model, path, out)

    assert found.resumed == stop
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert faults(tmp_path / "out.jsonl.faults.jsonl") == faults(
        tmp_path / "whole.jsonl.faults.jsonl"
    )


def test_a_second_call_for_the_same_answers_is_refused_and_harms_neither(
    model: OpenModel, few: int, tmp_path: Path
) -> None:
    path, out = write(tmp_path / "in.jsonl", [row(text) for text in TEXTS]), tmp_path / "out.jsonl"
    refused: list[str] = []

    def ask_too(rows: int) -> None:
        with pytest.raises(UsageError) as told:
            answer_to_file(model, path, out)
        refused.append(told.value.what)

    found = answer_to_file(model, path, out, told=ask_too)

    assert set(refused) == {"another call is writing these answers"}
    assert found.words == "23 rows in = 23 answered"
    assert answer_to_file(model, path, out).words == "23 rows in = 23 answered"


def test_another_file_or_model_begins_anew(model: OpenModel, few: int, tmp_path: Path) -> None:
    path, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    write(path, [row(text) for text in TEXTS])

    def interrupt(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer_to_file(model, path, out, told=interrupt)
    write(path, [row(text) for text in TEXTS[:7]])
    found = answer_to_file(model, path, out)

    assert (found.resumed, found.answered) == (0, 7)


def test_a_file_with_nothing_to_read_is_refused(model: OpenModel, tmp_path: Path) -> None:
    with pytest.raises(EmptyDataError):
        answer_to_file(model, write(tmp_path / "in.jsonl", [""]), tmp_path / "out.jsonl")
    with pytest.raises(DataFormatError, match="broken quoting"):
        answer_to_file(model, write(tmp_path / "in.csv", ["text", '"a']), tmp_path / "out.jsonl")


def test_rows_are_counted_across_what_is_read_at_once(model: OpenModel, tmp_path: Path) -> None:
    lines = [row("")] * (BATCH_ROWS + 3)
    lines[0] = lines[BATCH_ROWS + 1] = row("a clause")

    found = answer_to_file(model, write(tmp_path / "in.jsonl", lines), tmp_path / "out.jsonl")

    ids = [one.example_id for one in read_predictions(found.out)]
    assert ids == ["in.jsonl:1", f"in.jsonl:{BATCH_ROWS + 2}"]
    assert found.without == {"the text is empty": BATCH_ROWS + 1}


def test_answers_never_take_the_place_of_the_rows_or_of_a_device(
    model: OpenModel, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.jsonl", [row("You agree.")])
    (tmp_path / "link.jsonl").symlink_to(path)
    before = path.read_bytes()

    for out in (path, tmp_path / "link.jsonl"):
        with pytest.raises(UsageError, match="would take the place of the rows"):
            answer_to_file(model, path, out)
    with pytest.raises(UsageError, match="put in place as a whole file"):
        answer_to_file(model, path, Path("/dev/null"))
    with pytest.raises(UsageError, match="put in place as a whole file"):
        answer_to_file(model, path, tmp_path)
    assert path.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.jsonl", "link.jsonl"]


@pytest.mark.parametrize("lines", [[row("You agree.")], [row("You agree."), "{"]])
def test_a_call_that_was_stopped_at_its_very_end_is_made_again(
    lines: list[str], model: OpenModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path, out = write(tmp_path / "in.jsonl", lines), tmp_path / "out.jsonl"

    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(batch_answers.shutil, "rmtree", stop)
        with pytest.raises(KeyboardInterrupt):
            answer_to_file(model, path, out)
    made = out.read_bytes()
    found = answer_to_file(model, path, out)

    assert (found.resumed, found.answered) == (0, 1)
    assert out.read_bytes() == made
    assert not (tmp_path / ".out.jsonl.partial").exists()


def test_a_place_for_faults_that_is_taken_is_told_before_anything_is_answered(
    model: OpenModel, tmp_path: Path
) -> None:
    path = write(tmp_path / "in.jsonl", [row("You agree.")])
    (tmp_path / "out.jsonl.faults.jsonl").mkdir()

    with pytest.raises(UsageError, match="there is something else"):
        answer_to_file(model, path, tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()


def test_faults_of_very_many_kinds_are_neither_held_nor_all_told(
    model: OpenModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held: list[int] = []
    batches = Reading.batches

    def watched(self: Reading, file: str, name: str, faults: Faults) -> Iterator[Any]:
        for batch in batches(self, file, name, faults):
            held.append(len(faults))
            yield batch
        held.append(len(faults))

    monkeypatch.setattr(Reading, "batches", watched)
    many = 2 * BATCH_ROWS
    path = write(tmp_path / "in.jsonl", [row(at) for at in range(many)])
    found = answer_to_file(model, path, tmp_path / "out.jsonl")

    assert max(held) <= BATCH_ROWS + 1
    assert held[-1] == 1
    assert sum(found.without.values()) == many
    assert found.without["something else"] == many - 1_000
    assert len(found.words) < 1_000
    assert found.words.endswith("for other reasons")
    assert found.faults
    assert len(faults(found.faults)) == many


def test_a_link_is_written_through(model: OpenModel, tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", [row("You agree.")])
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "there.jsonl")

    answer_to_file(model, path, tmp_path / "link.jsonl")

    assert (tmp_path / "link.jsonl").is_symlink()
    assert len(read_predictions(tmp_path / "there.jsonl")) == 1


def test_absent_rows_are_told_as_such_and_leave_nothing_behind(
    model: OpenModel, tmp_path: Path
) -> None:
    with pytest.raises(DataNotFoundError, match="No such file"):
        answer_to_file(model, tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_answers_carry_the_values_of_the_column_that_is_named(
    model: OpenModel, tmp_path: Path
) -> None:
    lines = [json.dumps({"key": f"k{at}", "text": text}) for at, text in enumerate(TEXTS[:3])]
    path = write(tmp_path / "in.jsonl", lines)

    found = answer_to_file(model, path, tmp_path / "out.jsonl", FileForm(id_column="key"))

    assert [one.example_id for one in read_predictions(found.out)] == ["k0", "k1", "k2"]


@pytest.mark.parametrize(
    ("name", "head", "good", "bad"),
    [
        ("in.jsonl", b"", b'{"text": "You agree."}', b'{"text": "caf\xe9"}'),
        ("in.csv", b"text\n", b"You agree.", b"caf\xe9"),
        ("in.txt", b"", b"You agree.", b"caf\xe9"),
    ],
)
def test_a_byte_that_is_not_text_is_a_fault_of_its_row(
    name: str, head: bytes, good: bytes, bad: bytes, model: OpenModel, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(head + good + b"\n" + bad + b"\n" + good + b"\n")

    found = answer_to_file(model, path, tmp_path / "out.jsonl")

    assert (found.rows_in, found.answered) == (3, 2)
    assert found.faults
    ((row_number, what),) = faults(found.faults)
    assert row_number == 2
    assert "bytes that are not text" in what


def test_a_file_is_read_in_the_encoding_that_is_named(model: OpenModel, tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("You agree, café.\n".encode("cp1252"))

    found = answer_to_file(model, path, tmp_path / "out.jsonl", FileForm(encoding="cp1252"))

    (made,), (alone,) = read_predictions(found.out), answer_texts(model, ["You agree, café."])
    assert made.scores == pytest.approx(alone.scores, abs=1e-7)


def test_a_file_of_another_kind_is_refused_whole(model: OpenModel, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(row("You agree.").encode("utf-16"))

    with pytest.raises(DataFormatError, match="this is UTF-16 text"):
        answer_to_file(model, path, tmp_path / "out.jsonl")
