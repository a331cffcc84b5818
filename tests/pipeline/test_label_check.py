"""Labels that were made wrong are found, told with what they should be, and left to a person."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from burnish.errors import EmptyDataError, RecipeError, StorageError
from burnish.evaluation.baselines.base import Rows
from burnish.evaluation.label_errors import suspicion
from burnish.pipeline import label_doubts
from burnish.pipeline.context import Context
from burnish.pipeline.driver import execute
from burnish.pipeline.label_check import LabelCheck, check_labels
from burnish.pipeline.plugins import check_plugins
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.recipe import Recipe
from burnish.records import LabelSpace, TextSpace
from burnish.runfolder import LabelFiles

WORDS = {"fruit": ("apple", "pear", "plum"), "metal": ("iron", "zinc", "gold"),
         "bird": ("crow", "swan", "duck")}  # fmt: skip
FILLERS = ("then", "with", "some", "very", "here", "once", "more", "while", "under", "after")
WRONG = tuple(range(0, 240, 20))
SPACE = LabelSpace(names=("bird", "fruit", "metal"), multi_label=False)


def texts(count: int, *, seed: int = 0) -> list[tuple[str, str]]:
    """Return texts with the label that one of their words tells."""
    rng = np.random.default_rng(seed)
    names = list(WORDS)
    made = []
    for _ in range(count):
        label = names[int(rng.integers(3))]
        said = [*rng.choice(FILLERS, 5), rng.choice(WORDS[label])]
        made.append((" ".join(rng.permutation(said).tolist()), label))
    return made


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def wrong_rows() -> list[dict[str, Any]]:
    names = list(WORDS)
    rows = [{"text": text, "label": label} for text, label in texts(240)]
    for at in WRONG:
        rows[at]["label"] = names[(names.index(rows[at]["label"]) + 1) % 3]
    return rows


def recipe(path: Path, **changes: Any) -> Recipe:
    checks = [{"kind": "conflicting-labels", "action": "ignore"}]
    written = {
        "task": "text-classification", "model": "-",
        "data": {"train": str(path), "checks": checks}, "tracking": {"trackers": []},
        "split": {"validation": 0, "test": 0},
    }  # fmt: skip
    return validate(Document(written | changes, {}, "a recipe"))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="module")
def found(place: Path) -> LabelCheck:
    rows = wrong_rows()
    rows += [{"text": "a b c d e f g h apple", "label": "fruit"},
             {"text": "a b c d e f g h apple!", "label": "metal"}]  # fmt: skip
    return check_labels(recipe(write(place / "rows.jsonl", rows)), place / "out")


def test_the_rows_that_were_made_wrong_are_ranked_first(found: LabelCheck) -> None:
    ranked = lines(found.folder / "label-errors.jsonl")
    first = {line["row"] - 1 for line in ranked[: len(WRONG)]}

    assert len(first & set(WRONG)) >= 0.9 * len(WRONG)
    assert [line["rank"] for line in ranked] == list(range(1, found.rows + 1))
    confidences = [line["confidence"] for line in ranked]
    assert confidences == sorted(confidences)


def test_what_is_flagged_says_what_it_should_be(found: LabelCheck) -> None:
    right = [label for _, label in texts(240)]
    flagged = [line for line in lines(found.folder / "label-errors.jsonl") if line["flagged"]]
    suggestions = {line["row"] - 1: line["suggested"] for line in flagged}

    hits = set(WRONG) & set(suggestions)
    assert found.flagged == len(flagged)
    assert len(hits) >= max(len(WRONG) / 2, 0.6 * len(flagged))
    assert all(suggestions[at] == [right[at]] for at in hits)


def test_near_duplicates_with_other_labels_are_told_together(found: LabelCheck) -> None:
    conflicts = lines(found.folder / "conflicts.jsonl")
    mine = [line for line in conflicts if "apple" in line["text"] and "a b c" in line["text"]]

    assert found.conflicts == len(conflicts)
    assert [line["labels"] for line in mine] == [["fruit"], ["metal"]]
    assert mine[0]["cluster"] == mine[1]["cluster"]


def test_the_same_rows_give_the_same_ranks(found: LabelCheck, place: Path) -> None:
    again = check_labels(recipe(place / "rows.jsonl"), place / "again")

    first, second = (one.folder / "label-errors.jsonl" for one in (found, again))
    assert first.read_bytes() == second.read_bytes()


def test_rows_that_a_run_would_judge_are_left_alone(place: Path) -> None:
    split = recipe(write(place / "split.jsonl", wrong_rows()), split={"tune": 0.1, "test": 0.2})

    found = check_labels(split, place / "learned")

    parts = execute(("leak_checked",), recipe=split, context=Context.of_nothing())["leak_checked"]
    learned = [*parts.rows["train"]["row"], *parts.rows["tune"]["row"]]
    ranked = [line["row"] for line in lines(found.folder / "label-errors.jsonl")]
    assert sorted(ranked) == sorted(learned)
    assert len(ranked) < 240 * 0.85


def test_any_label_of_several_may_be_in_doubt() -> None:
    made = texts(200, seed=1)
    space = LabelSpace(names=("bird", "fruit", "metal"), multi_label=True)
    truth = np.array([[label == name for name in space.names] for _, label in made])
    truth[7] = False
    truth[11] = True
    rows = Rows(
        ids=tuple(map(str, range(200))), texts=tuple(text for text, _ in made),
        references=tuple(tuple(np.array(space.names)[row]) for row in truth), truth=truth,
        groups=(None,) * 200,
    )  # fmt: skip

    doubts = suspicion(rows, space, seed=0)

    assert set(doubts.ranked()[:2].tolist()) == {7, 11}
    assert doubts.suggested(7, space) == (made[7][1],)
    assert len(doubts.suggested(11, space)) == 2


def test_rows_of_one_group_are_judged_by_a_model_that_learned_none_of_them() -> None:
    space = LabelSpace(names=("no", "yes"), multi_label=False, positive="yes")
    # Each group has a word of its own and one label: only a model that saw the group could know.
    rows = Rows(
        ids=tuple(map(str, range(60))), texts=tuple(f"group{at // 6} word" for at in range(60)),
        references=(("no",),) * 60, truth=np.array([[at // 6 % 2 == 0, at // 6 % 2 == 1]
                                                   for at in range(60)]),
        groups=tuple(str(at // 6) for at in range(60)),
    )  # fmt: skip

    doubts = suspicion(rows, space, seed=0)

    assert doubts.confidence.mean() < 0.6


def doubts_in_graph(wanted: Recipe, rows: pl.DataFrame, tune: pl.DataFrame | None = None) -> Any:
    """What a run finds out of its splits, judged rows among them."""
    splits = {"train": rows, "tune": rows[:0] if tune is None else tune, "test": rows}
    told = {"splits": splits, "label_space": SPACE}
    context = Context.of_nothing()
    return execute(("label_doubts",), recipe=wanted, context=context, overrides=told)[
        "label_doubts"
    ]


@pytest.fixture(scope="module")
def selected(found: LabelCheck, place: Path) -> pl.DataFrame:
    wanted = recipe(place / "rows.jsonl")
    stage = execute(("selected",), recipe=wanted, context=Context.of_nothing())["selected"]
    rows: pl.DataFrame = stage.rows["train"]
    return rows


def test_a_run_finds_what_the_command_finds_in_the_rows_it_learns(
    found: LabelCheck, place: Path, selected: pl.DataFrame
) -> None:
    wanted = recipe(place / "rows.jsonl")

    doubts = doubts_in_graph(wanted, selected[:200], selected[200:])
    files = doubts.write(LabelFiles.of(place / "as-a-run"))

    assert [path.name for path in files] == [
        "label-errors.json", "label-errors.jsonl", "conflicts.jsonl"
    ]  # fmt: skip
    for path in files:
        assert path.read_bytes() == (found.folder / path.name).read_bytes()
    told = json.loads(files[0].read_text("utf-8"))
    assert told == {"rows": 242, "flagged": found.flagged, "conflicts": found.conflicts,
                    "skipped": None}  # fmt: skip


def test_a_run_that_does_not_look_says_why(
    place: Path, selected: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place / "rows.jsonl"
    off = doubts_in_graph(recipe(path, evaluation={"label_errors": False}), selected)
    one = doubts_in_graph(recipe(path), selected.with_columns(group=pl.lit("all of them")))
    monkeypatch.setattr(label_doubts, "_CHARACTERS_A_SECOND", 100)
    many = doubts_in_graph(recipe(path), selected)
    all_the_same = doubts_in_graph(recipe(path, evaluation={"label_errors": True}), selected)

    assert off.skipped == "The recipe says `evaluation.label_errors: false`."
    assert one.skipped == "242 labelled row(s) of 1 group cannot be parted in two."
    characters = selected["text"].str.len_chars().sum()
    assert many.skipped.startswith(
        f"242 rows with {characters:,} characters and 3 labels would take about "
        f"{8 * characters / 6000:.0f} minutes on two cores; "
    )
    assert "`evaluation.label_errors: true`" in many.skipped
    assert [path.name for path in many.write(LabelFiles.of(place / "skipped"))] == [
        "label-errors.json"
    ]
    assert (all_the_same.skipped, len(all_the_same.lines)) == (None, 242)


def test_a_task_without_labels_has_none_in_doubt(place: Path) -> None:
    plain = write(place / "asked.jsonl", [{"input": "a", "output": "b"}] * 3)
    writes = recipe(plain, task="causal-lm", data={"train": str(plain)})
    told = {"splits": {}, "label_space": TextSpace()}
    found = execute(
        ("label_error_files",), recipe=writes, context=Context.of_nothing(), overrides=told
    )
    asked = recipe(
        plain, task="causal-lm", data={"train": str(plain)}, evaluation={"label_errors": True}
    )

    assert found["label_error_files"] == []
    with pytest.raises(RecipeError, match="ranks labels, and the task has none"):
        check_plugins(asked)


def test_what_cannot_be_ranked_is_refused(found: LabelCheck, place: Path) -> None:
    alike = [{"text": f"t {at}", "label": "ab"[at % 2], "g": 1} for at in range(9)]
    rows = write(place / "groups.jsonl", alike)
    grouped = recipe(rows, data={"train": str(rows), "group": "g"})
    with pytest.raises(EmptyDataError, match="1 group"):
        check_labels(grouped, place / "refused")
    plain = write(place / "plain.jsonl", [{"input": "a", "output": "b"}] * 3)
    writes = recipe(plain, task="causal-lm", data={"train": str(plain)})
    with pytest.raises(RecipeError, match="has no labels"):
        check_labels(writes, place / "refused-2")
    with pytest.raises(StorageError):  # what was found before is not written over
        check_labels(recipe(place / "rows.jsonl"), found.folder)
