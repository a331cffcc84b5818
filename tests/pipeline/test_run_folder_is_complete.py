"""A run leaves every file of the contract, and they agree with one another."""

import json
from pathlib import Path

import polars as pl

from burnish.files import read_json, read_jsonl
from burnish.pipeline.run import Outcome
from burnish.recipe.load import dump_recipe, load_recipe
from burnish.runfolder import read_predictions


def test_every_file_of_the_contract_is_there(outcome: Outcome) -> None:
    folder = outcome.folder
    files = [
        folder.recipe,
        folder.manifest,
        folder.ledger,
        folder.findings,
        *folder.label_files,
        folder.history,
        folder.scores,
        folder.verdict,
        folder.report,
        folder.model / "model.safetensors",
        folder.model / "tokenizer.json",
        folder.model / "burnish.json",
        folder.model / "README.md",
        folder.predictions("tuned", outcome.verdict["split"]),
        folder.predictions("tfidf-svm", outcome.verdict["split"]),
    ]

    assert [path for path in files if not path.is_file()] == []
    assert list(folder.checkpoints.iterdir())


def test_the_resolved_recipe_resolves_to_itself(outcome: Outcome) -> None:
    recipe = load_recipe(outcome.folder.recipe)

    assert dump_recipe(recipe) == outcome.folder.recipe.read_text("utf-8")


def test_the_ledger_balances_and_ends_in_the_rows_that_were_used(outcome: Outcome) -> None:
    ledger = read_json(outcome.folder.ledger)
    entries = ledger["entries"]

    for entry in entries:
        told = entry["kept"] + sum(entry["dropped"].values()) + sum(entry["moved"].values())
        assert told == entry["rows_in"], entry
    encoded = {e["split"]: e["kept"] for e in entries if e["stage"] == "encode"}
    on_disk = {
        path.stem: pl.read_parquet(path).height for path in outcome.folder.splits.glob("*.parquet")
    }
    assert encoded == on_disk == read_json(outcome.folder.manifest)["splits"]


def test_every_system_answered_the_same_rows(outcome: Outcome) -> None:
    split = outcome.verdict["split"]
    rows = {
        path.name.split(".")[0]: [p.example_id for p in read_predictions(path)]
        for path in (outcome.folder.root / "predictions").glob(f"*.{split}.jsonl")
    }

    assert {"tuned", "majority", "tfidf-svm"} <= set(rows)
    assert len({tuple(sorted(ids)) for ids in rows.values()}) == 1


def test_scores_carry_interval_and_n(outcome: Outcome) -> None:
    scores = read_json(outcome.folder.scores)
    main = [s for s in scores if s["metric"] == outcome.verdict["metric"]]

    assert {s["system"] for s in main} >= {"tuned", "majority", "tfidf-svm"}
    assert all(s["low"] <= s["value"] <= s["high"] and s["n"] > 0 for s in main)


def test_every_row_that_was_learned_is_ranked_by_how_doubtful_its_label_is(
    outcome: Outcome,
) -> None:
    splits, files = outcome.folder.splits, outcome.folder.label_files
    learned = [splits / f"{name}.parquet" for name in ("train", "tune")]
    rows = {key for path in learned if path.is_file() for key in pl.read_parquet(path)["id"]}

    lines = read_jsonl(files.ranked)

    assert {line["id"] for line in lines} == rows
    assert read_json(files.summary)["rows"] == len(lines) == len(rows)
    page = outcome.folder.report.read_text("utf-8")
    assert f"{lines[0]['file']}:{lines[0]['row']}" in page


def test_the_manifest_says_what_is_needed_to_do_it_again(outcome: Outcome) -> None:
    manifest = read_json(outcome.folder.manifest)

    assert {"recipe_sha256", "inputs", "seeds", "versions", "machine", "hardware", "model"} <= set(
        manifest
    )
    assert manifest["training"]["tokens_per_second"] > 0
    assert manifest["timings"]["fitted"] > 0


def test_the_history_tells_steps_and_epochs(outcome: Outcome) -> None:
    kinds = {line["kind"] for line in read_jsonl(outcome.folder.history)}

    assert kinds == {"step", "epoch"}


def test_loss_and_scores_of_every_split_are_told_in_training_and_at_the_end(
    outcome: Outcome,
) -> None:
    metrics = {"loss", "accuracy", "macro_f1", "precision", "recall"}
    curve = {name for line in read_jsonl(outcome.folder.history) for name in line["metrics"]}
    tuned = {(one.split, one.metric) for one in outcome.scores if one.system == "tuned"}

    assert {f"{part}/{one}" for part in ("train", "validation") for one in metrics} <= curve
    assert {f"train/{one}_step" for one in metrics} <= curve
    assert {(part, m) for part in ("train", "validation", "test") for m in metrics} <= tuned


def test_the_report_is_one_small_page_without_outside_parts(outcome: Outcome) -> None:
    page = outcome.folder.report.read_text("utf-8")

    assert len(page.encode()) < 2_000_000
    assert "default-src 'none'" in page
    for part in ("<script src", "<link ", "@import", "url(http"):
        assert part not in page
    assert "train, each step" in page  # beside the loss of whole epochs


def test_the_verdict_names_metric_split_and_reasons(outcome: Outcome) -> None:
    verdict = json.loads(Path(outcome.folder.verdict).read_text("utf-8"))

    assert verdict["verdict"] in ("ship", "keep-baseline", "need-more-data")
    assert verdict["reasons"]
    assert verdict["comparisons"]
