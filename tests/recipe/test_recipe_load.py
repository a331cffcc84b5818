"""A recipe is read strictly, and every fault is told at once with its line."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burnish.errors import RecipeError
from burnish.recipe.document import Document, parse_document
from burnish.recipe.load import dump_recipe, load_recipe, validate
from burnish.recipe.recipe import Recipe

LEAST = "task: text-classification\nmodel: some/model\ndata: {from: rows.jsonl}\n"


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, overrides)
    return str(caught.value)


def test_task_model_and_data_are_all_that_is_needed(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, LEAST))

    assert recipe.task.kind == "text-classification"
    assert recipe.training.epochs > 0


def test_the_resolved_recipe_gives_itself(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, LEAST + "method: lora\ntraining: {learning_rate: 3e-5}\n"))

    again = load_recipe(write(tmp_path, dump_recipe(recipe), "resolved.yaml"))

    assert again == recipe
    assert dump_recipe(again) == dump_recipe(recipe)


@given(st.text(st.sampled_from("ab12eExo+-._:#'\"\\ \n\r\t\x85\u2028\ufeff\x00é😀{}[]&*!%@~=<yn")))
@example("1e5")  # a number to the core schema, and a text to YAML 1.1
@example("0o17")
@example("a\x85b")
def test_every_text_of_a_recipe_gives_itself(text: str) -> None:
    told = {"task": {"labels": ["a", text + "."]}, "model": "m", "data": {"from": "rows.jsonl"}}
    whole = told | {"tracking": {"description": text}}
    recipe = validate(Document(whole, {}, "the recipe"))

    again = validate(parse_document(dump_recipe(recipe), source="resolved"))

    assert again == recipe
    assert again.tracking.description == text


def test_a_recipe_may_be_written_as_json_escapes_it(tmp_path: Path) -> None:
    least = {"task": "text-classification", "model": "😀", "data": {"from": "rows.jsonl"}}
    assert load_recipe(write(tmp_path, json.dumps(least))).model == "😀"
    assert "surrogates not allowed" in message(write(tmp_path, LEAST + 'name: "\\ud800"\n'))


def test_the_resolved_recipe_says_every_default(tmp_path: Path) -> None:
    text = dump_recipe(load_recipe(write(tmp_path, LEAST)))

    assert all(f"{name}:" in text for name in Recipe.model_fields)
    assert "learning_rate: 0.0001" in text


def test_all_faults_are_told_together_with_line_and_nearest_key(tmp_path: Path) -> None:
    text = message(
        write(
            tmp_path,
            "task: text-classification\nmodel: m\ndata: {from: x, txt: y}\n"
            "training:\n  learning_rat: 1e-4\n  epochs: -1\nmethod: {kind: lora, rnk: 4}\n",
        )
    )

    assert "[BN101] 4 fault(s)" in text
    assert "data.txt: unknown key; did you mean `text`? (line 3)" in text
    assert "training.learning_rat: unknown key; did you mean `learning_rate`? (line 5)" in text
    assert "training.epochs: input should be greater than 0; it is -1 (line 6)" in text
    assert "method.rnk: unknown key; did you mean `rank`? (line 7)" in text


def test_a_key_in_the_wrong_section_is_told_with_its_full_path(tmp_path: Path) -> None:
    text = message(write(tmp_path, LEAST + "learning_rate: 1e-4\n"))

    assert "did you mean `training.learning_rate`?" in text


def test_missing_sections_are_named(tmp_path: Path) -> None:
    text = message(write(tmp_path, "name: x\n"))

    assert "task: is required" in text
    assert "model: is required" in text
    assert "data: is required" in text


@pytest.mark.parametrize(
    ("written", "read"),
    [("3e-5", 3e-5), ("1.", 1.0), (".5", 0.5), ("1e-4", 1e-4)],
)
def test_numbers_are_read_as_yaml_1_2_reads_them(tmp_path: Path, written: str, read: float) -> None:
    recipe = load_recipe(write(tmp_path, LEAST + f"training: {{learning_rate: {written}}}\n"))

    assert recipe.training.learning_rate == read


def test_labels_called_yes_and_no_stay_words(tmp_path: Path) -> None:
    text = "task: {labels: [yes, no, on, 2020-01-01]}\nmodel: m\ndata: {from: x}\n"

    recipe = load_recipe(write(tmp_path, text))

    assert recipe.task.labels == ("yes", "no", "on", "2020-01-01")


def test_a_key_written_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    text = message(write(tmp_path, "model: a\ntask: text-classification\nmodel: b\n"))

    assert "key `model` is written twice" in text
    assert "lines 1 and 3" in text


def test_aliases_that_multiply_are_refused(tmp_path: Path) -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
    for before, name in zip("abcdef", "bcdefg", strict=True):
        bomb += f"{name}: &{name} [{', '.join(['*' + before] * 10)}]\n"

    assert "expands to more than" in message(write(tmp_path, bomb))


def test_a_recipe_that_contains_itself_is_refused(tmp_path: Path) -> None:
    assert "nested without end" in message(write(tmp_path, "a: &a [*a]\n"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"- a\n- b\n", "no mapping"),
        (b"task: [unclosed\n", "not valid YAML"),
        (b"task:\n\t- tab\n", "not valid YAML"),
        (b"name: \xff\xfe\n", "is not UTF-8"),
        (b"name: !!python/object/apply:os.system ['true']\n", "not valid YAML"),
        (b"x: " + b"a" * (2 << 20), "1,048,576"),
    ],
)
def test_a_file_that_is_no_recipe_says_why(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)

    assert expected in message(path)


def test_an_absent_recipe_says_how_to_make_one(tmp_path: Path) -> None:
    text = message(tmp_path / "none.yaml")

    assert "No such file" in text
    assert "burnish init" in text


def test_overrides_are_typed_by_the_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, LEAST)

    recipe = load_recipe(
        path,
        ["name=2024", "training.epochs=2", "split.by=group", "task.labels=[a, b]", "method=lora"],
    )

    assert recipe.name == "2024"
    assert recipe.training.epochs == 2
    assert recipe.task.labels == ("a", "b")
    assert recipe.method.kind == "lora"


def test_a_method_key_alone_speaks_of_the_default_method(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, LEAST), ["method.freeze_embeddings=true"])

    assert recipe.method.kind == "full"
    assert recipe.method.freeze_embeddings


def test_a_wrong_override_is_told_as_such(tmp_path: Path) -> None:
    text = message(write(tmp_path, LEAST), "training.epochs=many")

    assert 'training.epochs: input should be a valid number; it is "many" (--set)' in text
    text = message(write(tmp_path, LEAST), "task={labels: [1, b]}", "split={by: x}")
    assert "task.labels.0: input should be a valid string; it is 1 (--set)" in text
    assert 'it is "x" (--set)' in text


@pytest.mark.parametrize("name", ["{a} and {b}", "[a] b", "*a", "@a", '"a', "{a}", "{{a}}"])
def test_a_text_may_be_set_to_what_yaml_cannot_read(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, LEAST)
    assert load_recipe(path, [f"model={name}"]).model == name
    assert load_recipe(path, [f"data.group={name}"]).data.group == name


@pytest.mark.parametrize(
    "override", ["task.labels=[a", "training.epochs={a} b", "method={a", "x=@"]
)
def test_what_is_no_text_has_to_be_yaml(tmp_path: Path, override: str) -> None:
    text = message(write(tmp_path, LEAST), override)
    assert "not valid YAML" in text
    assert "needs quotes" in text


@pytest.mark.parametrize(
    "override",
    [
        "training",
        "=3",
        "training..epochs=3",
        "model.x=1",
        "data.²=1",
        "data.checks.1.action=warn",
        "data.checks.first.action=warn",
        "training.seed=" + "[" * 3_000,
        "training.seed=&a [*a]",
        "training.seed=!!timestamp 2024-01-01",
        "name=\udcff",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_an_override_that_fits_nowhere_is_refused(tmp_path: Path, override: str) -> None:
    checks = "checks: [{kind: leak, action: drop}], "
    path = write(tmp_path, LEAST.replace("{from", f"{{{checks}from"))
    assert "[BN101]" in message(path, override)


def test_extends_lays_keys_over_another_recipe(tmp_path: Path) -> None:
    write(tmp_path, LEAST + "training: {epochs: 7, learning_rate: 2e-4}\n", "base.yaml")

    recipe = load_recipe(write(tmp_path, "extends: base.yaml\ntraining: {epochs: 2}\n"))

    assert recipe.training.epochs == 2
    assert recipe.training.learning_rate == 2e-4


def test_a_fault_of_the_extended_recipe_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    rules = "  rules: [{kind: unique}, {kind: unique, colum: b}]\n"
    least = LEAST.replace("{from: rows.jsonl}", f"\n  from: rows.jsonl\n{rules}")
    lowest = write(tmp_path, f"{least}training:\n  epochs: -1\n", "lowest.yaml")
    more = "extends: lowest.yaml\n#\nmethod: {kind: full, freze: 1}\nsplit: {seed: -1}\n"
    base = write(tmp_path, more, "base.yaml")
    own = "extends: base.yaml\n\nsplit:\n  seed: -2\ntraining:\n  sed: 3\nmethod: {kind: lora}\n"
    text = message(write(tmp_path, own))

    assert f"training.epochs: input should be greater than 0; it is -1 (line 8 of {lowest})" in text
    assert f"`column`? (line 5 of {lowest})" in text
    assert "training.sed: unknown key; did you mean `seed`? (line 6)" in text
    assert "it is -2 (line 4)" in text
    assert str(base) not in text  # what it says wrong is overridden


@pytest.mark.parametrize("value", ["", "[base.yaml]", "3"])
def test_what_is_extended_has_to_be_a_path(value: str, tmp_path: Path) -> None:
    text = message(write(tmp_path, f"{LEAST}extends: {value}\n"))
    assert "`extends` is not the path of a recipe" in text
    assert "line 4" in text


def test_a_signal_may_be_called_as_a_type_is(tmp_path: Path) -> None:
    signals = "{signals: {str: {kind: contains}}, "
    text = message(write(tmp_path, LEAST.replace("data: {", f"data: {signals}")))
    assert "data.signals.str.words: is required" in text


def test_another_kind_drops_the_keys_of_the_old_one(tmp_path: Path) -> None:
    write(tmp_path, LEAST + "method: {kind: full, freeze: 3}\n", "base.yaml")

    recipe = load_recipe(write(tmp_path, "extends: base.yaml\nmethod: {kind: lora, rank: 4}\n"))

    assert recipe.method.kind == "lora"


def test_recipes_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "extends: b.yaml\n", "a.yaml")
    write(tmp_path, "extends: a.yaml\n", "b.yaml")

    assert "comes back to" in message(tmp_path / "a.yaml")


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("split: {validation: 0.5, test: 0.5}", "0.1 and 0.1 would do"),
        ("training: {keep: last, early_stopping: {patience: 2}}", "contradict each other"),
        ("training: {epochs: .inf}", "finite"),
        ("training: {tokens_per_batch: fast}", "training.tokens_per_batch"),
        ("name: 'a/b'", "name: string should match pattern"),
        ("version: 2", "version: input should be 1"),
        ("data: {train: [a, b], validation: 3}", "data.validation"),
        ("method: {kind: lorra}", "method"),
        ("task: {kind: text-clasification}", "task.kind"),
        ("task: {labels: [a, a]}", "listed twice"),
        ("task: {labels: [a]}", "needs two or more"),
        ("task: {labels: [a, b], positive: c}", "b would do"),
        ("data: {text: x}", "`from: data/` would do"),
        ("data: {from: x, checks: [{kind: leak, action: x}]}", "data.checks.0.action"),
        ("training: 3", "training: input should be an object"),
    ],
)
def test_rules_of_single_keys_and_between_keys(
    tmp_path: Path, fragment: str, expected: str
) -> None:
    key = fragment.partition(":")[0]
    lines = [line for line in LEAST.splitlines() if not line.startswith(f"{key}:")]

    assert expected in message(write(tmp_path, "\n".join([*lines, fragment])))
