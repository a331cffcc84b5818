"""A saved classifier is scored on labelled files, whatever their form."""

import csv
import gzip
import json
from pathlib import Path

import pytest

from burnish.data.file_form import FileForm
from burnish.errors import LabelError, UsageError
from burnish.files import read_json
from burnish.pipeline.answer import OpenModel, open_model
from burnish.pipeline.evaluate import evaluate_file
from burnish.pipeline.run import Outcome, run
from burnish.records import Score
from burnish.runfolder import read_predictions

from .conftest import small_recipe

Rows = list[dict[str, object]]
STORE = "sqlite:///burnish.db"


@pytest.fixture(scope="module")
def model(outcome: Outcome) -> OpenModel:
    return open_model(str(outcome.folder.root), tracking_uri=STORE)


def evaluated(model: OpenModel, path: Path, out: Path | None = None) -> tuple[list[Score], str]:
    return evaluate_file(model, path, out=out)


def values(scores: list[Score]) -> dict[str, float]:
    return {one.metric: one.value for one in scores}


def as_jsonl(path: Path, rows: Rows) -> Path:
    lines = [json.dumps({"text": one["text"], "labels": one["labels"]}) for one in rows]
    packed = gzip.compress("\n".join(lines).encode())
    path.write_bytes(packed if path.suffix == ".gz" else gzip.decompress(packed))
    return path


def as_csv(path: Path, rows: Rows) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "labels"])
        writer.writerows([one["text"], json.dumps(one["labels"])] for one in rows)
    return path


def test_the_rows_that_were_judged_score_as_they_did(
    outcome: Outcome, model: OpenModel, test_rows: Rows, tmp_path: Path, workplace: Path
) -> None:
    judged = [
        one for one in outcome.scores
        if (one.system, one.split) == ("tuned", outcome.verdict["split"])
    ]  # fmt: skip

    for path in (
        as_jsonl(tmp_path / "new.jsonl", test_rows),
        as_jsonl(tmp_path / "new.jsonl.gz", test_rows),
        as_csv(tmp_path / "new.csv", test_rows),
    ):
        scores, told = evaluated(model, path, tmp_path / "out")
        assert values(scores) == pytest.approx(values(judged), abs=1e-6)
        assert told.startswith(f"{len(test_rows)} rows in = {len(test_rows)} answered + 0 without")
    made = read_predictions(tmp_path / "out" / "predictions" / "tuned.new.jsonl")
    assert len(made) == len(test_rows)
    assert len(read_json(tmp_path / "out" / "scores.json")) == len(scores)


def test_intervals_are_by_whole_groups_where_their_column_is_named(
    model: OpenModel, test_rows: Rows, tmp_path: Path, workplace: Path
) -> None:
    path = tmp_path / "twice.jsonl"
    twice = [one | {"contract": f"c{at}"} for at, one in enumerate(test_rows) for _ in "ab"]
    path.write_text("".join(f"{json.dumps(one)}\n" for one in twice), encoding="utf-8")

    by_rows, alone = evaluate_file(model, path)
    by_groups, told = evaluate_file(model, path, FileForm(group_column="contract"))

    assert "the model's run had groups by 'document', and --group-column names" in alone
    assert told.endswith(f"; intervals by {len(test_rows)} groups")
    for one, two in zip(by_rows, by_groups, strict=True):
        assert one.value == two.value
        if one.metric == "accuracy":
            assert two.high - two.low > 1.2 * (one.high - one.low)


def test_rows_of_one_class_and_a_single_row_are_scored(
    model: OpenModel, test_rows: Rows, tmp_path: Path, workplace: Path
) -> None:
    fair = [one for one in test_rows if not one["labels"]]

    scores, told = evaluated(model, as_jsonl(tmp_path / "fair.jsonl", fair))
    assert {one.n for one in scores} == {len(fair)}
    scores, told = evaluated(model, as_jsonl(tmp_path / "one.jsonl", test_rows[:1]))
    assert told.startswith("1 rows in = 1 answered")


def test_a_label_the_model_does_not_know_is_told(
    model: OpenModel, test_rows: Rows, tmp_path: Path, workplace: Path
) -> None:
    rows = [test_rows[0] | {"labels": ["no such label"]}]

    with pytest.raises(LabelError, match="does not know 'no such label'"):
        evaluated(model, as_jsonl(tmp_path / "new.jsonl", rows))


def test_the_results_of_a_run_are_not_overwritten(
    outcome: Outcome, model: OpenModel, test_rows: Rows, tmp_path: Path, workplace: Path
) -> None:
    before = outcome.folder.scores.read_bytes()

    with pytest.raises(UsageError, match="would be overwritten"):
        evaluated(model, as_jsonl(tmp_path / "test.jsonl", test_rows), outcome.folder.root)
    assert outcome.folder.scores.read_bytes() == before


def test_a_collapsed_task_is_scored_on_lists_and_on_its_own_two_names(
    test_rows: Rows, tmp_path: Path, workplace: Path
) -> None:
    asked = small_recipe(
        tmp_path,
        "task.collapse={positive: unfair, negative: fair}",
        "data.limit=48",
        "evaluation.baselines=[majority]",
        "evaluation.label_errors=false",
        "tracking.trackers=[]",
        "tracking.register=null",
    )
    model = open_model(str(run(asked, out=tmp_path / "run").folder.root), tracking_uri=STORE)
    named = [
        {"text": one["text"], "labels": "unfair" if one["labels"] else "fair"} for one in test_rows
    ]

    by_lists, _ = evaluated(model, as_jsonl(tmp_path / "lists.jsonl", test_rows))
    by_names, _ = evaluated(model, as_jsonl(tmp_path / "names.jsonl", named))

    assert values(by_lists) == values(by_names)
    assert "f1" in values(by_lists)
