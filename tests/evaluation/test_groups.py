"""Judged rows that belong together: they say less than as many that do not."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from burnish.evaluation.answers import Answers
from burnish.evaluation.compare import compare
from burnish.evaluation.groups import groups_of, permutation, units_with
from burnish.evaluation.metrics.table import METRICS
from burnish.evaluation.per_class import per_class
from burnish.evaluation.score import score_answers
from burnish.evaluation.skill import skill
from burnish.evaluation.verdict import decide
from burnish.files import write_json
from burnish.pipeline.compare import compare_paths
from burnish.recipe.evaluation import Gate
from burnish.records import LabelSpace, Prediction
from burnish.runfolder import write_predictions

BINARY = LabelSpace(names=("no", "yes"), multi_label=False, positive="yes")
DOCUMENTS = np.repeat(np.arange(20), 12)


def answers(truth: np.ndarray, right: np.ndarray) -> Answers:
    yes = np.where(right, truth, ~truth)
    return Answers(
        ids=tuple(map(str, range(len(truth)))),
        space=BINARY,
        truth=np.column_stack([~truth, truth]),
        answer=np.column_stack([~yes, yes]),
        scores=np.full((len(truth), 2), np.nan),
    )


def documents(seed: int, *, lead: float = 0.0) -> dict[str, Answers]:
    """20 documents of 12 rows; which system finds one easy is drawn once a document."""
    rng = np.random.default_rng(seed)
    truth = rng.random(240) < 0.5
    shares = np.clip(rng.normal((0.75 + lead, 0.75), 0.15, (20, 2)), 0, 1)[DOCUMENTS]
    right = rng.random((240, 2)) < shares
    return {"tuned": answers(truth, right[:, 0]), "tfidf-svm": answers(truth, right[:, 1])}


def test_a_row_without_a_group_is_one_by_itself_and_of_no_groups_there_are_none() -> None:
    rows = pl.DataFrame({"id": ["a", "b", "c", "d"], "group": ["x", None, "x", None]})

    found = groups_of(rows, ("d", "c", "a", "b", "of another split"))

    assert found is not None
    assert found[1] == found[2]
    assert len(set(found)) == found.max() + 1 == 4
    assert groups_of(rows.with_columns(group=pl.lit(None)), ("a",)) is None
    assert groups_of(rows.drop("group"), ("a",)) is None


def test_equal_systems_on_rows_of_few_documents_are_seldom_shipped() -> None:
    by_rows = by_groups = 0
    for seed in range(40):
        systems = documents(seed)
        told = [
            decide([Gate()], systems, BINARY, "accuracy", resamples=300, groups=groups)["verdict"]
            for groups in (None, DOCUMENTS)
        ]
        by_rows += told[0] == "ship"
        by_groups += told[1] == "ship"

    assert by_groups <= 3
    assert by_groups < by_rows


def test_the_interval_of_a_score_holds_the_truth_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        [score] = score_answers(
            "tuned", "test", documents(seed)["tuned"], metrics=["accuracy"],
            resamples=300, groups=DOCUMENTS,
        )  # fmt: skip
        held += score.low <= 0.745 <= score.high  # 0.75, less what the clip takes

    assert held >= 52


def test_a_real_gain_over_documents_is_still_shipped() -> None:
    systems = documents(0, lead=0.2)

    found = decide([Gate()], systems, BINARY, "accuracy", resamples=300, groups=DOCUMENTS)

    assert found["verdict"] == "ship"
    assert "240 rows in 20 groups" in found["reasons"][0]
    [told] = found["comparisons"]
    assert told["groups"] == 20
    assert "240 rows in 20 groups" in told["words"]


def test_five_groups_show_nothing_however_many_rows_they_have() -> None:
    truth = np.arange(500) % 2 == 0
    systems = {"tuned": answers(truth, truth | True), "tfidf-svm": answers(truth, truth)}

    found = decide([Gate()], systems, BINARY, "accuracy", groups=np.arange(500) // 100)

    assert found["verdict"] == "need-more-data"
    assert "on only 5 group(s)" in found["reasons"][-1]


def test_the_score_of_one_group_has_no_interval() -> None:
    tuned = documents(0)["tuned"]

    [score] = score_answers("tuned", "test", tuned, metrics=["accuracy"], groups=DOCUMENTS * 0)

    assert np.isnan([score.low, score.high]).all()


@pytest.mark.parametrize("groups", [None, np.zeros(1, np.intp)], ids=["row", "group"])
def test_the_score_of_one_row_has_no_interval_and_no_file_says_nan(groups: Any) -> None:
    tuned = documents(0)["tuned"].take([0])
    draws: Any = {"resamples": 50, "groups": groups}

    scores = score_answers("tuned", "test", tuned, **draws)
    told = [one.to_json() for one in (*scores, *per_class(tuned, **draws))]

    assert all(line["low"] is None and line["high"] is None for line in told)
    assert json.dumps(told, allow_nan=False)


def test_a_comparison_whose_resamples_have_no_value_is_told_without_an_interval() -> None:
    # Of two draws of two rows one has a positive and a negative: half, or a little less.
    truth = np.array([True, False])
    sure = np.where(truth, 0.9, 0.1)
    right, wrong = (
        replace(answers(truth, truth), scores=np.column_stack([1 - yes, yes]))
        for yes in (sure, 1 - sure)
    )

    told = [
        compare(right, wrong, metric="roc_auc", names=("a", "b"), seed=seed) for seed in range(6)
    ]

    assert {math.isnan(one.low) for one in told} == {True, False}
    for one in told:
        assert "nan" not in json.dumps(one.to_json(), allow_nan=False)
        assert ("(no interval, 2 rows)" in one.words) == math.isnan(one.low)


def test_without_groups_a_comparison_tells_of_none() -> None:
    systems = documents(0)

    found = compare(*systems.values(), metric="accuracy", names=("a", "b"))

    assert "groups" not in found.to_json()
    assert "240 rows): " in found.words


def test_a_permutation_leaves_the_rows_of_a_group_together() -> None:
    order = permutation(240, DOCUMENTS, np.random.default_rng(0))

    assert sorted(order) == list(range(240))
    assert not np.array_equal(order, np.arange(240))
    assert (DOCUMENTS[order].reshape(20, 12) == DOCUMENTS[order][::12, None]).all()
    assert units_with(np.arange(240) < 13, DOCUMENTS) == 2


def test_answers_that_fit_few_documents_by_chance_have_shown_no_skill() -> None:
    # Labels and answers are the same all through a document; 8 of 10 agree, which is luck.
    groups = np.repeat(np.arange(10), 24)
    truth = groups % 2 == 0
    lucky = answers(truth, groups > 1)

    assert skill(lucky, METRICS.get("accuracy"), seed=0).is_shown
    assert not skill(lucky, METRICS.get("accuracy"), seed=0, groups=groups).is_shown


def test_order_within_a_group_hides_no_skill() -> None:
    # Each pair holds one row of each label, in this order: pairs alone would all look alike.
    truth = np.arange(120) % 2 == 0
    knows = answers(truth, truth | True)

    assert skill(knows, METRICS.get("accuracy"), seed=0, groups=np.arange(120) // 2).is_shown


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a run folder with the answers of two systems and the rows they are of."""
    for name, one in documents(0, lead=0.1).items():
        rows = [
            Prediction(example_id=key, answer=one.names_of(said), reference=one.names_of(true))
            for key, said, true in zip(one.ids, one.answer, one.truth, strict=True)
        ]
        write_predictions(tmp_path / "predictions" / f"{name}.test.jsonl", rows)
    write_json(tmp_path / "manifest.json", {"label_space": BINARY.to_json()})
    (tmp_path / "splits").mkdir()
    ids = [str(i) for i in range(240)]
    rows = pl.DataFrame({"id": ids, "group": [f"d{g}" for g in DOCUMENTS]})
    rows.write_parquet(tmp_path / "splits" / "test.parquet")
    return tmp_path


def test_files_of_a_run_folder_are_compared_by_the_groups_of_its_rows(kept: Path) -> None:
    files = [kept / "predictions" / f"{name}.test.jsonl" for name in ("tuned", "tfidf-svm")]

    by_groups = compare_paths(*files)
    (kept / "splits" / "test.parquet").unlink()
    by_rows = compare_paths(*files)

    assert (by_groups.groups, by_rows.groups) == (20, None)
    assert by_groups.difference == by_rows.difference
    assert by_groups.high - by_groups.low > 1.2 * (by_rows.high - by_rows.low)


def test_the_order_of_the_rows_changes_no_group() -> None:
    systems = documents(0, lead=0.1)
    order = np.random.default_rng(0).permutation(240)
    turned = {name: one.take(order) for name, one in systems.items()}

    one = compare(*systems.values(), metric="accuracy", names=("a", "b"), groups=DOCUMENTS)
    other = compare(*turned.values(), metric="accuracy", names=("a", "b"), groups=DOCUMENTS[order])

    assert (one.difference, one.groups) == (other.difference, other.groups)
    assert (other.low, other.high) == pytest.approx((one.low, one.high))
