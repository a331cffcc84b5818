"""Splits of rows whose answers are texts: units stay whole, nothing is stratified or balanced."""

from typing import Any

import polars as pl
import pytest

from burnish.data.keys import without_keys
from burnish.data.ledger import check_balance
from burnish.data.splits import split_parts
from burnish.errors import SplitError
from burnish.recipe.data import Data, Split
from burnish.records import TextSpace


def frame(rows: list[tuple[str, str]], **more: list[Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"f:{n}" for n in range(1, len(rows) + 1)],
            "text": [text for text, _ in rows],
            "labels": [[answer] for _, answer in rows],
            "file": ["f"] * len(rows),
            "row": list(range(1, len(rows) + 1)),
        }
        | {"group": pl.Series([None] * len(rows), dtype=pl.String)}
        | more
    )


def divided(rows: pl.DataFrame, data: dict[str, Any], **split: Any) -> dict[str, pl.DataFrame]:
    source = Data.model_validate({"from": "x"} | data)
    made, entries = split_parts({"train": rows}, Split(**split), source, TextSpace())
    check_balance(entries)
    return made


MANY = [(f"question number {n}", f"answer {n % 7}") for n in range(300)]


def test_auto_keeps_near_duplicates_together_whatever_their_answers() -> None:
    words = [f"word{letter}" for letter in "abcdefghijklmnop"]
    rows = []
    for n in range(60):
        text = [f"{w}{n}" for w in words]
        rows += [(" ".join(text), f"first {n}"), (" ".join([*text[:-1], "new"]), f"second {n}")]
    splits = divided(frame(rows), {}, validation=0.2, test=0.2)

    numbers = [{text.split()[0] for text in part["text"]} for part in splits.values()]
    assert sum(map(len, numbers)) == 60
    assert all(0.15 < splits[name].height / 120 < 0.25 for name in ("validation", "test"))


def test_auto_goes_by_group_or_by_time_where_the_recipe_names_one() -> None:
    groups = [f"dialogue {n // 5}" for n in range(300)]
    by_group = divided(frame(MANY, group=groups), {"group": "d"})
    sides = [set(part["group"]) for part in by_group.values()]
    assert sum(map(len, sides)) == 60

    by_time = divided(frame(MANY, **{"meta:when": list(range(300))}), {"time": "when"})
    assert by_time["train"]["meta:when"].max() < by_time["test"]["meta:when"].min()  # type: ignore[operator]


@pytest.mark.parametrize("by", ["auto", "random"])
def test_the_answers_do_not_decide_where_a_row_goes(by: str) -> None:
    other = [(text, f"another answer {n}") for n, (text, _) in enumerate(MANY)]
    first = divided(frame(MANY), {}, by=by)
    second = divided(frame(other[::-1]), {}, by=by)
    assert [sorted(part["text"]) for part in first.values()] == [
        sorted(part["text"]) for part in second.values()
    ]


def test_texts_cannot_be_stratified_and_the_fix_can() -> None:
    with pytest.raises(SplitError, match="answers are texts, not classes") as caught:
        divided(frame(MANY), {}, by="stratified")
    assert caught.value.fix == "set `split.by: auto`"
    divided(frame(MANY), {}, by="auto")


def test_limit_is_a_seeded_sample_counted_and_blind_to_the_order_of_rows() -> None:
    def kept(rows: list[tuple[str, str]], seed: int) -> list[str]:
        splits = divided(frame(rows), {"limit": 50}, validation=0, test=0, seed=seed)
        return sorted(without_keys(splits["train"])["text"])

    assert len(kept(MANY, 0)) == 50
    assert kept(MANY, 0) == kept(MANY[::-1], 0) != kept(MANY, 1)
    answers = {answer: [text for text, said in MANY if said == answer] for _, answer in MANY}
    shares = {len(set(kept(MANY, 0)) & set(texts)) for texts in answers.values()}
    assert len(shares) > 1  # not balanced over answers as over classes
