"""Figures on the page are those of the files, and what is absent is said to be absent."""

import json
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from burnish.errors import PredictionError, RunFolderError
from burnish.evaluation.groups import renumbered
from burnish.evaluation.per_class import per_class
from burnish.evaluation.report.render import render
from burnish.evaluation.report.runfiles import read_run
from burnish.evaluation.report.sections import classes
from burnish.evaluation.report.words import measured
from burnish.files import read_json, read_jsonl, write_json, write_jsonl
from burnish.records import LabelSpace, Prediction
from burnish.runfolder import RunFolder, read_predictions, write_predictions


def text_of(run: RunFolder, section: str) -> str:
    """Return the words of one section, tags stripped."""
    html = render(run).read_text("utf-8")
    part = html.split(f'<section id="{section}"')[1].split("</section>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part.split(">", 1)[1])).split())


def test_every_system_and_score_of_scores_json_is_in_the_ladder(run: RunFolder) -> None:
    text = text_of(run, "systems")

    for score in read_json(run.scores):
        assert score["system"] in text
        assert measured(score["value"], score["metric"]) in text
    assert "out of 100, loss (nats a row) as it is" in text


def test_the_best_system_stands_at_the_top(run: RunFolder) -> None:
    ranked = sorted(
        (s for s in read_json(run.scores) if s["metric"] == read_json(run.verdict)["metric"]),
        key=lambda s: -s["value"],
    )
    text = text_of(run, "systems").split("All metrics")[0].split("Score", 1)[1]

    found = [re.search(rf"{s['system']}: ", text) for s in ranked]
    places = [match.start() for match in found if match]
    assert len(places) == len(ranked)
    assert places == sorted(places)


def test_comparisons_show_difference_interval_and_both_tests(run: RunFolder) -> None:
    text = text_of(run, "systems")

    for c in read_json(run.verdict)["comparisons"]:
        assert f"+{100 * c['difference']:.1f}" in text
        assert c["words"] in text
    assert "McNemar p" in text


def test_where_rows_are_of_groups_the_page_says_how_many_and_what_is_still_by_rows(
    run: RunFolder,
) -> None:
    verdict = read_json(run.verdict)
    told = [c | {"groups": 20} for c in verdict["comparisons"]]
    assert " by rows" not in text_of(run, "systems")
    write_json(run.verdict, verdict | {"comparisons": told})

    text = text_of(run, "systems")

    assert "McNemar p by rows" in text
    assert "in 20 groups" in text


def test_the_intervals_of_labels_are_by_whole_groups_where_the_rows_are_of_any(
    run: RunFolder,
) -> None:
    path = run.splits / "validation.parquet"
    rows = pl.read_parquet(path)
    of_row = np.arange(rows.height) // 20
    rows.with_columns(pl.Series("group", of_row.astype(str))).write_parquet(path)
    files = read_run(run)
    place = {name: at for at, name in enumerate(rows["id"])}
    groups = of_row[[place[one] for one in files.labels().ids]]

    shown = {row["score"].label: row["score"] for row in classes.view(files)["rows"]}

    wanted = per_class(files.labels(), resamples=1000, groups=renumbered(groups.astype(str)))
    by_row = per_class(files.labels(), resamples=1000)
    assert [shown[one.label].to_json() for one in wanted] == [one.to_json() for one in wanted]
    assert [one.low for one in wanted] != [one.low for one in by_row]


def test_hand_made_answers_give_the_table_worked_out_by_hand(run: RunFolder) -> None:
    space = LabelSpace(names=("a", "b"), multi_label=True)
    answers = [((), ("a",)), (("a",), ("a",)), (("b",), ("a",)), (("b",), ())]
    _replace_answers(run, space, answers)
    text = text_of(run, "classes")

    # a: 1 hit, 2 missed, no false alarm; b: nothing there, 2 false alarms.
    assert re.search(
        r"a: F1 50\.0 \(.*?\), precision 100\.0, recall 33\.3 50\.0 100\.0 33\.3 3 2 0", text
    )
    assert "b: F1 0.0, precision 0.0, recall 0.0 0.0 0.0 0.0 0 0 2" in text
    # a: said once, taken for b once, missed once; b was once said where nothing was missing.
    assert "a 1 33 % 1 33 % 1 33 % b · · · (no label) · 1 100 % ·" in text


def _replace_answers(
    run: RunFolder, space: LabelSpace, pairs: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> None:
    write_json(run.manifest, read_json(run.manifest) | {"label_space": space.to_json()})
    predictions = [
        Prediction(example_id=str(i), answer=answer, reference=reference)
        for i, (answer, reference) in enumerate(pairs)
    ]
    write_predictions(run.predictions("tuned", "validation"), predictions)


def test_a_binary_run_shows_counts_of_said_against_should_be(binary_run: RunFolder) -> None:
    answers = read_predictions(binary_run.predictions("tuned", "validation"))
    hits = sum(p.answer == p.reference == ("unfair",) for p in answers)
    there = sum(p.reference == ("unfair",) for p in answers)

    assert f"{hits} {100 * hits / there:.0f} %" in text_of(binary_run, "classes")


def test_worst_errors_are_wrong_answers_with_their_texts_most_confident_first(
    binary_run: RunFolder,
) -> None:
    rows = pl.read_parquet(binary_run.splits / "validation.parquet")
    texts = dict(zip(rows["id"], rows["text"], strict=True))
    answers = read_predictions(binary_run.predictions("tuned", "validation"))
    wrong = [p for p in answers if p.answer != p.reference]
    worst = max(wrong, key=lambda p: p.scores[p.answer[0]])
    text = text_of(binary_run, "errors")

    assert f"{len(wrong)} of 400 rows" in text
    assert text.index(texts[worst.example_id]) < text.index("said")
    sure = [float(x) for x in re.findall(r"said [a-z]+ ([\d.]+) %", text)]
    assert sure[0] == pytest.approx(100 * worst.scores[worst.answer[0]], abs=0.05)
    assert sure == sorted(sure, reverse=True)


def test_the_calibration_error_is_that_of_scores_json(run: RunFolder) -> None:
    ece = next(
        s["value"] for s in read_json(run.scores) if (s["system"], s["metric"]) == ("tuned", "ece")
    )
    assert f"{100 * ece:.1f} points" in text_of(run, "calibration")


def test_slices_come_from_the_columns_and_the_length_of_the_text(run: RunFolder) -> None:
    text = text_of(run, "slices")

    assert "By service" in text
    assert "By words in the text" in text
    counts = pl.read_parquet(run.splits / "validation.parquet")["meta:service"].value_counts()
    for value, rows in counts.iter_rows():
        assert f"{value} {rows} rows" in text


def test_the_ledger_adds_up_and_names_every_reason(run: RunFolder) -> None:
    text = text_of(run, "data")

    assert "Every line adds up" in text
    assert "3 null-text, 2 empty-text" in text
    assert "551 to tune" in text
    assert "12 rows, 431 tokens" in text


def test_splits_to_which_nothing_happened_share_a_line_of_the_ledger(run: RunFolder) -> None:
    ledger = read_json(run.ledger)
    quiet = {"stage": "leaks", "rows_in": 7, "kept": 7}
    ledger["entries"] += [quiet | {"split": "tune"}, quiet | {"split": "validation"}]
    write_json(run.ledger, ledger)

    text = text_of(run, "data")
    assert "tune, validation 14 14 kept of 14 14" in text
    assert text.index("6 leak") < text.index("tune, validation 14")


def test_caveats_of_the_verdict_are_told_with_it(run: RunFolder) -> None:
    write_json(run.verdict, read_json(run.verdict) | {"caveats": ["these rows also chose"]})
    assert "Mind: these rows also chose" in text_of(run, "verdict")


def test_the_last_epoch_is_no_rival_of_the_headline(run: RunFolder) -> None:
    told = read_json(run.verdict)
    rivals = [one for one in told["comparisons"] if one["metric"] == told["metric"]]
    nearest = min(rivals, key=lambda one: one["difference"])
    told["comparisons"].append(nearest | {"b": "last", "difference": nearest["difference"] / 2})
    before = text_of(run, "verdict")
    write_json(run.verdict, told)

    assert text_of(run, "verdict") == before


def test_the_reason_for_stopping_is_told_with_the_curves(run: RunFolder) -> None:
    manifest = read_json(run.manifest)
    manifest["training"]["stopped"] = "time"
    write_json(run.manifest, manifest)

    text = text_of(run, "curves")
    assert "epoch 4 of 6, the dashed line. Training stopped at the time limit" in text
    assert "train, each step" in text


def test_a_ledger_that_loses_a_row_is_called_out(run: RunFolder) -> None:
    ledger = read_json(run.ledger)
    ledger["entries"][0]["kept"] -= 1
    write_json(run.ledger, ledger)

    assert "does not add up" in text_of(run, "data")


def test_findings_are_shown_worst_first(run: RunFolder) -> None:
    text = text_of(run, "data")
    assert text.index("conflicting-labels") < text.index("near-duplicates")


def test_cost_and_reproduction_come_from_the_manifest(run: RunFolder) -> None:
    cost, reproduce = text_of(run, "cost"), text_of(run, "reproduce")

    assert "6 min 53 s Training time" in cost
    assert "1.8 GB Peak memory" in cost
    assert f"burnish run runs/{run.root.name}/recipe.yaml" in reproduce
    assert read_json(run.manifest)["inputs"][1]["sha256"] in reproduce
    assert "learning_rate: 0.0001" in reproduce


def test_labels_in_doubt_are_listed_with_place_and_suggestion(run: RunFolder) -> None:
    text = text_of(run, "labels")

    assert "judged each of the 400 rows" in text
    assert "doubts the label of 20 (5.0 %) more than is usual" in text
    assert "the numbers of this run were made with the labels as they stand" in text
    first = read_jsonl(run.label_files.ranked)[0]
    shown = text.split("Most doubtful")[1].split("train.jsonl:1 ")[0]
    assert f"{first['text']} labelled {' '.join(first['labels']) or 'no label'} suggested" in shown
    assert "suggested arbitration in doubt that it is not arbitration; confidence 0.2 %" in shown
    assert "12 more rows" in text
    assert "train.jsonl:20" in text.split("Nearly the same text")[0]
    assert "train.jsonl:21" not in text.split("Nearly the same text")[0]


def test_long_texts_in_doubt_are_shortened_and_the_cut_is_seen(run: RunFolder) -> None:
    line = read_jsonl(run.label_files.ranked)[0] | {"text": "long " * 200 + "end"}
    write_jsonl(run.label_files.ranked, [line])

    text = text_of(run, "labels")
    assert "long…" in text
    assert "end labelled" not in text


def test_near_duplicates_in_conflict_are_told_group_by_group(run: RunFolder) -> None:
    text = text_of(run, "labels")

    assert "30 rows nearly repeat one that is labelled another way" in text
    assert "train.jsonl:20" in text.split("Nearly the same text")[1]
    assert text.endswith("5 more groups in conflicts.jsonl .")
    write_jsonl(run.label_files.conflicts, [])
    assert "No two near-duplicates are labelled differently" in text_of(run, "labels")
    many = {"cluster": 0, "file": "a.csv", "text": "t", "labels": []}
    write_jsonl(run.label_files.conflicts, [many | {"row": at} for at in range(9)])
    assert text_of(run, "labels").endswith("a.csv:5 and 3 more rows like these")


def test_a_run_that_looked_at_no_label_says_why(run: RunFolder) -> None:
    files = run.label_files
    files.ranked.unlink()
    files.conflicts.unlink()
    write_json(files.summary, {"rows": 0, "flagged": 0, "conflicts": 0, "skipped": "Too many."})
    assert text_of(run, "labels").endswith("No label was looked at. Too many.")
    files.summary.unlink()  # a run made before labels were looked at
    assert text_of(run, "labels").endswith("label-errors.jsonl is not in the run folder.")


OPTIONAL = {
    "label-errors.jsonl": "labels",
    "ledger.json": "data",
    "findings.jsonl": "data",
    "history.jsonl": "curves",
    "predictions/tuned.validation.jsonl": "classes",
    "splits/validation.parquet": "slices",
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_a_missing_optional_file_is_named_instead_of_failing(run: RunFolder, name: str) -> None:
    (run.root / name).unlink()
    assert f"{name} is not in the run folder" in text_of(run, OPTIONAL[name])


def test_a_run_with_required_files_only_still_has_a_page(run: RunFolder) -> None:
    for name in OPTIONAL:
        (run.root / name).unlink()
    write_json(run.manifest, {})
    for scores in (read_json(run.scores), []):
        write_json(run.scores, scores)
        verdict = {"verdict": "ship", "metric": "f1", "split": "validation"}
        write_json(run.verdict, verdict)
        assert "Ship it." in text_of(run, "verdict")


@pytest.mark.parametrize("name", ["manifest.json", "scores.json", "verdict.json", "recipe.yaml"])
def test_a_missing_required_file_is_an_error_that_names_it(run: RunFolder, name: str) -> None:
    (run.root / name).unlink()
    with pytest.raises(RunFolderError, match=re.escape(name)):
        render(run)
    assert not run.report.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("manifest.json", "[]"),
        ("verdict.json", '{"verdict": "ship"}'),
        ("scores.json", '[{"system": "tuned"}]'),
        ("scores.json", "5"),
        ("recipe.yaml", "a: [unclosed"),
        ("ledger.json", "{}"),
        ("history.jsonl", "[1]\n"),
        ("findings.jsonl", "{half"),
        ("label-errors.jsonl", '{"rank": 1, "file": "a", "row": 1}'),
        ("conflicts.jsonl", "[]"),
        ("label-errors.json", "[]"),
        ("splits/validation.parquet", "no parquet"),
        ("predictions/tuned.validation.jsonl", '{"answer": []}\n'),
    ],
)
def test_a_damaged_file_is_an_error_that_names_it(run: RunFolder, name: str, content: str) -> None:
    (run.root / name).write_text(content, "utf-8")
    with pytest.raises(RunFolderError, match=re.escape(Path(name).name)):
        render(run)


def test_a_label_the_run_does_not_know_is_an_error(run: RunFolder) -> None:
    path = run.predictions("tuned", "validation")
    line = json.dumps({"id": "x", "answer": ["stranger"], "reference": []})
    path.write_text(f"{line}\n", "utf-8")

    with pytest.raises(PredictionError, match="stranger"):
        render(run)


def test_a_failed_report_leaves_the_former_page_as_it_was(run: RunFolder) -> None:
    before = render(run).read_bytes()
    run.scores.unlink()

    with pytest.raises(RunFolderError):
        render(run)
    assert run.report.read_bytes() == before


def test_answers_without_probabilities_have_no_calibration_plot(run: RunFolder) -> None:
    space = LabelSpace(names=("a", "b"), multi_label=True)
    _replace_answers(run, space, [(("a",), ("b",)), (("b",), ("b",))])

    assert "no probabilities" in text_of(run, "calibration")
    assert "1 of 2 rows" in text_of(run, "errors")


def test_a_multi_class_run_shows_who_is_taken_for_whom(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", count=50)
    space = LabelSpace(names=("x", "y", "z"), multi_label=False)
    pairs = [(("x",), ("y",))] * 3 + [(("z",), ("z",))]
    _replace_answers(run, space, pairs)
    text = text_of(run, "classes")

    assert text.endswith("x · · · y 3 100 % · · z · · 1 100 %")


def test_many_labels_are_told_by_their_most_frequent_mix_ups(
    make_run: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = make_run(tmp_path / "r", count=50)
    names = tuple(f"n{i}" for i in range(30))
    pairs = [(("n1",), ("n2",))] * 3 + [(("n4",), ("n3",)), (("n0",), ("n0",))]
    _replace_answers(run, LabelSpace(names=names, multi_label=False), pairs)

    assert text_of(run, "classes").endswith("Times n2 n1 3 n3 n4 1")


def test_a_model_without_errors_is_told_to_have_none(run: RunFolder) -> None:
    _replace_answers(run, LabelSpace(names=("a", "b"), multi_label=True), [(("a",), ("a",))])
    assert "answered all 1 row right" in text_of(run, "errors")
