"""Every baseline of labels keeps the contract; the SVMs reach the figures they are quoted with."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from burnish.errors import PredictionError
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.baselines import tfidf_svm
from burnish.evaluation.baselines.base import Rows, from_frame
from burnish.evaluation.baselines.folds import folds_of
from burnish.evaluation.baselines.table import BASELINES, baseline_names
from burnish.evaluation.baselines.tfidf_svm import CountedTexts, TextFeatures
from burnish.evaluation.metrics.table import METRICS
from burnish.records import LabelSpace

BINARY = LabelSpace(names=("fair", "unfair"), multi_label=False, positive="unfair")
FLIPPED = LabelSpace(names=("unfair", "fair"), multi_label=False, positive="unfair")
CLASSES = LabelSpace(names=("ball", "cook", "rain", "unseen"), multi_label=False)
TAGS = LabelSpace(names=("ball", "cook", "rain", "unseen"), multi_label=True)
WORDS = {
    "ball": ["goal", "match", "team", "player", "score"],
    "cook": ["onion", "butter", "oven", "recipe", "flour"],
    "rain": ["cloud", "storm", "wind", "sunny", "forecast"],
}
FILLER = ["the", "a", "and", "with", "very", "often", "today", "there", "under", "again"]
UNFAIR_TOS = Path(__file__).parents[2].parent / "shared/data/unfair_tos"


def topics(n: int, space: LabelSpace, seed: int) -> Rows:
    """Rows whose words tell their label; `unseen` is nobody's."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        chance = rng.random(3) < 0.3
        held = [t for t, given in zip(WORDS, chance, strict=True) if given]
        if not space.multi_label:
            held = [list(WORDS)[rng.integers(3)]]
        words = [str(rng.choice(WORDS[t])) for t in held for _ in range(4)]
        words += [str(w) for w in rng.choice(FILLER, 5)]
        if space.is_binary:
            held = ["unfair" if held == ["ball"] else "fair"]
        lines.append({"id": str(i), "text": " ".join(words), "labels": held, "group": f"d{i % 7}"})
    frame = pl.DataFrame(lines, schema_overrides={"labels": pl.List(pl.String), "group": pl.String})
    lexicon = [w for words in WORDS.values() for w in words]
    texts = frame["text"].to_list()
    features = np.array([[t.split().count(w) for w in lexicon] for t in texts], dtype=np.float32)
    return from_frame(frame, space, features)


@pytest.mark.parametrize("most", [500_000, 300])
@pytest.mark.parametrize(
    ("learned", "texts"),
    [
        (range(40), None),
        (range(2, 60, 3), None),
        (range(1), None),  # no term is in two texts
        (range(3), ("", "!", "?", "a word", "more words")),  # no term is learned
        (range(2), ("", "?", "!")),  # there is no term at all
    ],
)
def test_terms_counted_once_are_those_of_a_fold_counted_by_itself(
    learned: range, texts: tuple[str, ...] | None, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tfidf_svm, "_MOST_FEATURES", most)
    texts = texts or topics(60, CLASSES, 0).texts
    mine = np.array(learned)
    others = np.setdiff1d(np.arange(len(texts)), mine)
    parts = [tuple(texts[at] for at in rows) for rows in (mine, others)]
    features = TextFeatures.of(parts[0])

    found = CountedTexts(texts).parted(mine, others)

    for got, part in zip(found, parts, strict=True):
        np.testing.assert_array_equal(got.toarray(), features.read(part).toarray())


@pytest.mark.parametrize("name", baseline_names(TAGS))
@pytest.mark.parametrize("space", [BINARY, FLIPPED, CLASSES, TAGS])
def test_each_baseline_learns_each_kind_of_task_and_answers_every_row(
    name: str, space: LabelSpace
) -> None:
    train, test = topics(210, space, 0), topics(90, space, 1)
    system = BASELINES.get(name)()

    system.fit(train, None, space, 0)
    answers = from_predictions(system.predict(test), space)

    assert answers.ids == test.ids
    assert np.array_equal(answers.truth, test.truth)
    assert answers.has_scores
    given = {label for row in answers.answer for label in answers.names_of(row)}
    assert "unseen" not in given
    if name != "majority":
        assert answers.correct.mean() > 0.9


@pytest.mark.parametrize("name", baseline_names(TAGS))
def test_the_same_rows_and_seed_give_the_same_answers(name: str) -> None:
    train, test = topics(100, TAGS, 0), topics(40, TAGS, 1)

    def run() -> list[object]:
        system = BASELINES.get(name)()
        system.fit(train, topics(50, TAGS, 2), TAGS, 7)
        return list(system.predict(test))

    assert run() == run()


@pytest.mark.parametrize("name", ["lexglue-svm", "tfidf-svm", "frozen-encoder"])
@pytest.mark.parametrize("space", [BINARY, TAGS])
def test_scores_are_half_exactly_where_the_answer_turns(name: str, space: LabelSpace) -> None:
    system = BASELINES.get(name)()
    system.fit(topics(150, space, 0), None, space, 0)
    answers = from_predictions(system.predict(topics(80, space, 1)), space)

    assert np.array_equal(answers.answer, answers.scores > 0.5)


@pytest.mark.parametrize("name", baseline_names(TAGS))
@pytest.mark.parametrize(
    "texts", [["", "", ""], ["the", "of", "and"], ["é", "漢", "!"], ["one"] * 3]
)
def test_odd_texts_do_not_break_a_baseline(name: str, texts: list[str]) -> None:
    frame = pl.DataFrame(
        {"id": ["1", "2", "3"], "text": texts, "labels": [["fair"], ["unfair"], ["fair"]]}
    )
    rows = from_frame(frame, BINARY, np.zeros((3, 2), dtype=np.float32))
    system = BASELINES.get(name)()

    system.fit(rows, None, BINARY, 0)

    assert len(system.predict(rows)) == 3


@pytest.mark.parametrize("name", baseline_names(TAGS))
def test_a_label_that_every_training_row_has_is_always_given(name: str) -> None:
    rows = topics(60, TAGS, 0)
    rows.truth[:, 3] = True
    system = BASELINES.get(name)()

    system.fit(rows, None, TAGS, 0)

    assert all("unseen" in p.answer for p in system.predict(topics(20, TAGS, 1)))


def test_the_majority_is_the_most_frequent_class_or_what_most_rows_have() -> None:
    frame = pl.DataFrame(
        {
            "id": ["1", "2", "3"],
            "text": ["", "", ""],
            "labels": [["ball"], ["ball", "cook"], ["rain"]],
        }
    )
    system = BASELINES.get("majority")()
    system.fit(from_frame(frame, TAGS), None, TAGS, 0)

    [first, *_] = system.predict(from_frame(frame, TAGS))

    assert first.answer == ("ball",)
    assert first.scores["cook"] == pytest.approx(1 / 3)


def test_rows_without_reference_are_answered_but_not_learnt_from() -> None:
    frame = pl.DataFrame(
        {"id": ["1", "2"], "text": ["goal", None], "labels": [["ball"], None], "group": ["a", None]}
    )
    rows = from_frame(frame, TAGS)
    system = BASELINES.get("tfidf-svm")()

    system.fit(rows, None, TAGS, 0)

    assert [p.reference for p in system.predict(rows)] == [("ball",), None]
    with pytest.raises(PredictionError, match="none of 1 training row"):
        system.fit(rows.take(np.array([1])), None, TAGS, 0)


def test_unknown_labels_and_features_of_other_rows_are_refused() -> None:
    frame = pl.DataFrame({"id": ["1"], "text": ["goal"], "labels": [["golf"]]})

    with pytest.raises(PredictionError, match="label 'golf' of id '1'"):
        from_frame(frame, TAGS)
    with pytest.raises(PredictionError, match="2 feature rows for 1 rows"):
        from_frame(frame, TAGS, np.zeros((2, 3), dtype=np.float32))
    bare = from_frame(frame.with_columns(labels=pl.Series([["ball"]])), TAGS)
    with pytest.raises(PredictionError, match="come without features"):
        BASELINES.get("frozen-encoder")().fit(bare, None, TAGS, 0)


def test_folds_keep_a_group_together_and_hold_out_each_row_once() -> None:
    rows = topics(100, TAGS, 0)

    folds = folds_of(rows, seed=0)

    assert sorted(np.concatenate([b for _, b in folds])) == list(range(100))
    for train, held_out in folds:
        assert not {rows.groups[i] for i in train} & {rows.groups[i] for i in held_out}


def test_one_group_leaves_nothing_to_choose_by_and_the_svm_still_fits() -> None:
    rows = topics(40, TAGS, 0)
    alone = replace(rows, groups=("d",) * 40)

    assert folds_of(alone, seed=0) == []
    BASELINES.get("lexglue-svm")().fit(alone, None, TAGS, 0)


@pytest.fixture(scope="module")
def clauses() -> tuple[LabelSpace, Rows, Rows]:
    if not UNFAIR_TOS.is_dir():
        pytest.skip(f"the UNFAIR-ToS rows are not at {UNFAIR_TOS}")
    names = tuple(f"type-{i}" for i in range(8))
    space = LabelSpace(names=names, multi_label=True)

    def part(name: str) -> Rows:
        raw = pl.read_ndjson(UNFAIR_TOS / f"{name}.jsonl").with_row_index("row")
        labels = [[names[i] for i in held] for held in raw["labels"].to_list()]
        frame = raw.select(
            pl.col("row").cast(pl.String).alias("id"),
            "text",
            pl.Series("labels", labels, dtype=pl.List(pl.String)),
            pl.col("document").alias("group"),
        )
        return from_frame(frame, space)

    return space, part("train"), part("validation")


@pytest.mark.parametrize(
    ("name", "micro", "macro"), [("lexglue-svm", 0.938, 0.615), ("tfidf-svm", 0.943, 0.705)]
)
def test_the_quoted_figures_are_reproduced_on_unfair_tos(
    name: str, micro: float, macro: float, clauses: tuple[LabelSpace, Rows, Rows]
) -> None:
    space, train, validation = clauses
    system = BASELINES.get(name)()

    system.fit(train, None, space, 0)
    answers = from_predictions(system.predict(validation), space)

    assert METRICS.get("lexglue_micro_f1").function(answers) == pytest.approx(micro, abs=0.01)
    assert METRICS.get("lexglue_macro_f1").function(answers) == pytest.approx(macro, abs=0.01)
