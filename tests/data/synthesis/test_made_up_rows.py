"""Made-up rows are as many as asked, none twice, and held-out ones show nothing seen before."""

import json
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from burnish.cli.main import main
from burnish.data.synthesis.fill import make_up
from burnish.data.synthesis.spec import Spec, read_spec
from burnish.errors import BurnishError, EmptyDataError, RecipeError
from burnish.pipeline.synthesis import synthesise

SHOP: dict[str, Any] = {
    "rows": 100,
    "words": {
        "brand": {"values": ["Norvik", "Altera"], "shared": True},
        "product": ["shoes", "jackets", "gloves", "caps", "socks"],
        "praise": ["comfortable", "elegant", "sturdy", "light", "warm"],
        "blame": ["ugly", "stiff", "flimsy", "dull", "itchy"],
    },
    "templates": [
        {"label": "good", "weight": 3, "text": "{brand} {product} are {praise}."},
        {"label": "good", "text": "What {a praise} pair: {product}, {praise.2} too."},
        {"label": "bad", "text": "{product} by {brand} are {blame}."},
        {"label": "bad", "text": "I sent the {blame} {product} back to {brand}."},
    ],
}


def spec(folder: Path, **changes: Any) -> Spec:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(SHOP | changes), "utf-8")
    return read_spec(path)


@given(
    rows=st.integers(1, 150), nulls=st.floats(0, 0.9), seed=st.integers(0, 99), unique=st.booleans()
)
def test_rows_are_exactly_as_many_as_asked_and_none_comes_twice(
    rows: int, nulls: float, seed: int, unique: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("spec")
    asked = spec(folder, rows=rows, nulls=nulls, seed=seed, unique=unique)

    made = make_up(asked).train

    texts = made["text"].drop_nulls()
    assert made.height == rows
    assert made["text"].null_count() == round(nulls * rows)
    assert not unique or texts.n_unique() == len(texts)
    assert make_up(asked).train.equals(made)


def test_templates_come_by_their_weights_until_their_words_are_used_up(tmp_path: Path) -> None:
    few = make_up(spec(tmp_path, rows=60)).train["template"].value_counts().sort("template")
    all_of_them = make_up(spec(tmp_path, rows=275)).train["template"].value_counts()

    assert few["count"].to_list() == [30, 10, 10, 10]
    assert dict(all_of_them.iter_rows()) == {0: 50, 1: 125, 2: 50, 3: 50}
    with pytest.raises(EmptyDataError, match="make 275 different texts, and 276 are wanted"):
        make_up(spec(tmp_path, rows=276))
    assert make_up(spec(tmp_path, rows=999, unique=False)).train.height == 999


def test_slots_are_filled_with_articles_capitals_and_the_same_word_again(tmp_path: Path) -> None:
    twice = {"label": "x", "text": "{product} and {product}, {a praise} {praise.2}"}
    made = make_up(spec(tmp_path, rows=125, templates=[twice])).train

    for row in made.iter_rows(named=True):
        product, praise = row["product"], row["praise"]
        article = "an" if praise == "elegant" else "a"
        assert row["text"] == (
            f"{product.capitalize()} and {product}, {article} {praise} {row['praise.2']}"
        )
    assert made.select("product", "praise", "praise.2").n_unique() == 125


def test_held_out_rows_use_no_word_and_no_template_of_the_others(tmp_path: Path) -> None:
    held_out = {"words": 0.4, "templates": 0.5, "rows": 12}
    made = make_up(spec(tmp_path, rows=30, nulls=0.5, held_out=held_out))

    assert made.test is not None
    assert (made.train.height, made.test.height) == (30, 12)
    assert made.test["text"].null_count() == 0
    assert not {*made.train["template"]} & {*made.test["template"]}
    assert {*made.test["label"]} == {*made.train["label"]} == {"good", "bad"}
    for name in ("product", "praise", "blame"):
        mine, theirs = ({*part[name].drop_nulls()} for part in (made.train, made.test))
        assert theirs
        assert not mine & theirs
    assert {*made.test["brand"].drop_nulls()} <= {"Norvik", "Altera"}


def test_with_words_alone_held_out_no_text_is_on_both_sides(tmp_path: Path) -> None:
    bare = {"label": "good", "text": "{brand} is a brand."}
    held_out = {"words": 0.4, "templates": 0, "rows": 20}
    templates = [*SHOP["templates"], bare]

    made = make_up(spec(tmp_path, rows=60, templates=templates, held_out=held_out))

    assert made.test is not None
    assert not {*made.train["text"]} & {*made.test["text"]}
    assert 4 not in made.test["template"]


def test_two_templates_that_make_one_text_make_it_once(tmp_path: Path) -> None:
    same = {"label": "x", "text": "{product}"}
    made = make_up(spec(tmp_path, rows=5, templates=[same, same])).train

    assert sorted(made["text"]) == ["Caps", "Gloves", "Jackets", "Shoes", "Socks"]
    with pytest.raises(EmptyDataError, match="make 5 different texts, and 6 are wanted"):
        make_up(spec(tmp_path, rows=6, templates=[same, same]))


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"words": {}}, "words: dictionary should have at least 1 item"),
    ({"words": {"a-b": ["x"]}}, "words.a-b: string should match pattern"),
    ({"words": SHOP["words"] | {"text": ["x"]}}, "a list cannot be called text"),
    ({"words": SHOP["words"] | {"x": []}}, "words.x: tuple should have at least 1 item"),
    ({"words": SHOP["words"] | {"x": ["a", "a"]}}, "words.x: listed twice: a"),
    ({"words": SHOP["words"] | {"x": ["a", " "]}}, "words.x.1: string should have at least 1"),
    ({"words": SHOP["words"] | {"x": "a"}}, "words.x: input should be a valid dictionary"),
    ({"words": SHOP["words"] | {"x": {"values": ["a"], "share": True}}},
     "words.x.share: unknown key; did you mean `shared`?"),
    ({"templates": []}, "templates: tuple should have at least 1 item"),
    ({"templates": [{"text": "a"}]}, "templates.0.label: field required"),
    ({"templates": [{"text": "{prodct}", "label": "x"}]}, "did you mean {product}?"),
    ({"templates": [{"text": "{zz}", "label": "x"}]}, "there are: blame, brand"),
    ({"templates": [{"text": "{a b c}", "label": "x"}]}, "a brace is no slot"),
    ({"templates": [{"text": "{brand", "label": "x"}]}, "a brace is no slot"),
    ({"templates": [{"text": "{brand.x}", "label": "x"}]}, "a brace is no slot"),
    ({"templates": [{"text": "a", "label": "x", "weight": 0}]}, "should be greater than 0"),
    ({"templates": [{"text": "a", "label": "x", "wieght": 2}]}, "did you mean `weight`?"),
    ({"rows": 0}, "rows: input should be greater than or equal to 1"),
    ({"rows": "many"}, "rows: input should be a valid integer"),
    ({"nulls": 1}, "nulls: input should be less than 1"),
    ({"nulls": -0.1}, "nulls: input should be greater than or equal to 0"),
    ({"held_out": {"words": 0, "templates": 0}}, "words and templates are both 0"),
    ({"held_out": {"words": 0.2, "row": 3}}, "did you mean `rows`?"),
    ({"seeds": 3}, "seeds: unknown key; did you mean `seed`?"),
    ({"version": 2}, "version: input should be 1"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), FAULTS)
def test_a_fault_of_a_specification_is_told_with_its_key(
    changes: dict[str, Any], told: str, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError) as caught:
        spec(tmp_path, **changes)

    assert told in caught.value.what
    assert "(line " in caught.value.what
    assert caught.value.where.endswith("spec.yaml")


def test_a_label_with_a_single_template_cannot_hold_it_out(tmp_path: Path) -> None:
    one = {"label": "rare", "text": "{brand}!"}
    templates = [*SHOP["templates"], one]

    with pytest.raises(EmptyDataError, match="label 'rare' has 1 template"):
        make_up(spec(tmp_path, templates=templates, held_out={"rows": 5}))


def test_the_brand_that_comes_with_burnish_is_made_in_two_seconds_and_can_be_read(
    tmp_path: Path,
) -> None:
    start = time.perf_counter()
    made = synthesise(None, tmp_path / "rows")
    assert time.perf_counter() - start < 2 * 3  # 2 s on a free machine; the suite shares its own

    assert made.rows == {"train": 25_000, "test": 1_000}
    assert made.nulls == {"train": 1_250, "test": 0}
    train = pl.read_ndjson(tmp_path / "rows" / "train.jsonl")
    assert train["text"].drop_nulls().n_unique() == 23_750
    assert {*train["label"]} == {"positive", "negative", "neutral"}
    assert len((tmp_path / "rows" / "sentences.txt").read_text("utf-8").splitlines()) == 5
    again = synthesise(tmp_path / "rows" / "spec.yaml", tmp_path / "again")
    assert again.rows == made.rows
    assert (tmp_path / "again" / "train.jsonl").read_bytes() == (
        tmp_path / "rows" / "train.jsonl"
    ).read_bytes()


def test_the_command_tells_what_it_made_and_never_writes_over_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data", "synth", "--out", str(tmp_path / "out"), "--rows", "50", "--seed", "3"]
    with pytest.raises(SystemExit) as left:
        main([*arguments, "--json"])
    told = json.loads(capsys.readouterr().out)

    assert (left.value.code, told["rows"]["train"]) == (0, 50)
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 3
    with pytest.raises(BurnishError, match="cannot be read"):
        synthesise(tmp_path / "none.yaml", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_specification_in_the_guide_can_be_made(tmp_path: Path) -> None:
    guide = Path(__file__).parents[3] / "docs" / "guides" / "synthesis.md"
    (tmp_path / "shop.yaml").write_text(
        guide.read_text("utf-8").split("```")[1].removeprefix("yaml")
    )

    made = make_up(read_spec(tmp_path / "shop.yaml"))

    assert (made.train.height, made.train["text"].null_count()) == (500, 25)
    assert made.test is not None
    assert made.test.height == 16
    assert {"good", "bad"} == set(made.train["label"])
