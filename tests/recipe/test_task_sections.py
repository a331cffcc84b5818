"""Every kind of task has its own section, defaults and rivals; what fits another kind is told."""

import re
from pathlib import Path

import pytest

from burnish.errors import RecipeError
from burnish.recipe.classification import ClassificationTask
from burnish.recipe.data import Columns
from burnish.recipe.explain import explain
from burnish.recipe.fields import kinds
from burnish.recipe.load import dump_recipe, load_recipe
from burnish.recipe.recipe import Recipe
from burnish.recipe.task import CausalTask, Seq2SeqTask, percentile

REST = "model: m\ndata: {from: rows.jsonl}\n"
ASKED = {
    "text-classification": "labels",
    "causal-lm-text": "nothing",
    "masked-lm": "nothing",
}  # all others: texts
RIVALS: dict[str, tuple[str, ...]] = {
    "text-classification": ("majority", "tfidf-svm"),
    "causal-lm": ("majority", "retrieval"),
    "causal-lm-text": (),
    "masked-lm": (),
    "seq2seq": ("majority", "lead", "retrieval"),
}


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def loaded(folder: Path, text: str, *overrides: str) -> Recipe:
    return load_recipe(write(folder, text + REST), overrides)


def message(folder: Path, text: str, *overrides: str) -> str:
    with pytest.raises(RecipeError) as caught:
        loaded(folder, text, *overrides)
    return caught.value.what


def test_the_kinds_of_a_task_are_those_with_rivals_of_their_own() -> None:
    assert kinds("task") == tuple(RIVALS)
    assert kinds("method") == ("full", "lora", "qlora")
    assert kinds("data") == ()


@pytest.mark.parametrize("kind", RIVALS)
def test_a_bare_kind_is_a_task_with_all_its_defaults_written_out(kind: str, tmp_path: Path) -> None:
    recipe = loaded(tmp_path, f"task: {kind}\n")
    text = dump_recipe(recipe)
    again = load_recipe(write(tmp_path, text, "resolved.yaml"))

    assert again == recipe
    assert dump_recipe(again) == text
    assert recipe.task.kind == kind
    assert recipe.rivals == recipe.evaluation.baselines == RIVALS[kind]
    assert all(f"- {name}" in text for name in RIVALS[kind])
    assert recipe.task.asked == ASKED.get(kind, "texts")
    assert [gate.over for gate in recipe.evaluation.gates] == [
        "best-baseline" if RIVALS[kind] else "base"
    ]


@pytest.mark.parametrize("kind", RIVALS)
def test_a_section_that_names_no_rivals_has_the_tasks_own(kind: str, tmp_path: Path) -> None:
    recipe = loaded(tmp_path, f"task: {kind}\nevaluation: {{slices: [source]}}\n")
    assert recipe.rivals == RIVALS[kind]
    assert recipe.evaluation.slices == ("source",)
    assert loaded(tmp_path, f"task: {kind}\n", "evaluation.baselines=[lead]").rivals == ("lead",)
    assert loaded(tmp_path, f"task: {kind}\nevaluation: {{baselines: []}}\n").rivals == ()


def test_a_task_without_a_kind_classifies_as_ever(tmp_path: Path) -> None:
    assert isinstance(loaded(tmp_path, "task: {labels: [a, b]}\n").task, ClassificationTask)
    recipe = Recipe.model_validate({"task": {}, "model": "m", "data": {"from": "x"}})
    assert isinstance(recipe.task, ClassificationTask)


def test_only_tuned_thresholds_need_rows_to_choose_on() -> None:
    assert ClassificationTask().tunes_thresholds
    assert not ClassificationTask(threshold=0.5).tunes_thresholds
    assert not CausalTask().tunes_thresholds
    assert not Seq2SeqTask().tunes_thresholds


def test_columns_are_those_of_the_kind_of_task_with_the_keys_that_name_them(tmp_path: Path) -> None:
    data = "model: m\ndata: {from: x, text: t, label: l, input: i, output: o}\n"
    labels = load_recipe(write(tmp_path, "task: text-classification\n" + data)).columns
    texts = load_recipe(write(tmp_path, "task: seq2seq\n" + data)).columns
    plain = load_recipe(write(tmp_path, "task: causal-lm-text\n" + data)).columns

    assert labels == Columns(asked="labels", text="t", answer="l")
    assert labels.keys == "`data.text` and `data.label`"
    assert texts == Columns(asked="texts", text="i", answer="o")
    assert texts.keys == "`data.input` and `data.output`"
    assert plain == Columns(asked="nothing", text="t", answer=None)
    assert plain.keys == "`data.text`"


@pytest.mark.parametrize(
    ("written", "number"), [(8, None), (131_072, None), ("p50", 50), ("p99.5", 99.5), ("p100", 100)]
)
def test_a_length_is_in_tokens_or_a_percentile_of_the_training_rows(
    written: int | str, number: float | None
) -> None:
    assert percentile(CausalTask(max_input_length=written).max_input_length) == number


@pytest.mark.parametrize(
    "wrong", ["p49", "p100.5", "p", "99", "P99", "p99.", "99%", "auto", "p1e2"]
)
def test_what_is_no_percentile_is_told_once_with_one_that_would_do(
    wrong: str, tmp_path: Path
) -> None:
    text = message(tmp_path, f"task: {{kind: seq2seq, max_output_length: '{wrong}'}}\n")

    assert text.startswith("1 fault(s)")
    assert f'such as p99 or p99.5; it is "{wrong}" (line 1)' in text


@pytest.mark.parametrize("value", [7, 131_073, 0, -1])
def test_a_length_out_of_range_is_told_once(value: int, tmp_path: Path) -> None:
    for text in (
        message(tmp_path, f"task: {{kind: causal-lm, max_input_length: {value}}}\n"),
        message(tmp_path, "task: causal-lm\n", f"task.max_input_length={value}"),
    ):
        assert text.startswith("1 fault(s)\n    task.max_input_length: input should be")
        assert f"it is {value}" in text


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("{kind: causal-llm}", "task.kind: input should be 'text-classification', 'causal-lm', "
         "'causal-lm-text', 'masked-lm' "
         "or 'seq2seq'; it is \"causal-llm\"; did you mean `causal-lm`?"),
        ("[causal-lm]", "task: input should be an object"),
        ("{kind: causal-lm, promt: x}", "task.promt: unknown key; did you mean `prompt`?"),
        ("{kind: causal-lm, max_length: 64}", "did you mean `max_input_length`?"),
        ("{kind: causal-lm, labels: [a, b]}", "did you mean `task(text-classification).labels`?"),
        ("{kind: seq2seq, prompt: '{input}'}", "did you mean `task(causal-lm).prompt`?"),
        ("{kind: text-classification, prefix: x}", "did you mean `task(seq2seq).prefix`?"),
        ("{kind: seq2seq, generation: {beam: 2}}", "task.generation.beam: unknown key; did you "
         "mean `beams`?"),
        ("{kind: seq2seq, generation: {beams: 65}}", "less than or equal to 64; it is 65"),
        ("{kind: seq2seq, generation: {length_penalty: 11}}", "less than or equal to 10; it is 11"),
        ("{kind: seq2seq, long_answers: keep}", "'error', 'drop' or 'cut'"),
        ("{kind: causal-lm, prompt: 'Say something:'}", "holds {input} 0 times, not once"),
        ("{kind: causal-lm, prompt: '{input} {input}'}", "holds {input} 2 times, not once"),
        ("{kind: causal-lm, prompt: '{input}', system: Be kind.}", "`system: null` would do"),
    ],
)  # fmt: skip
def test_faults_of_tasks_that_write_name_the_key_and_what_would_do(
    fragment: str, expected: str, tmp_path: Path
) -> None:
    assert expected in message(tmp_path, f"task: {fragment}\n")


def test_a_method_nobody_knows_is_answered_with_the_nearest(tmp_path: Path) -> None:
    text = message(tmp_path, "task: causal-lm\nmethod: qlra\n")
    assert "method.kind: input should be 'full', 'lora' or 'qlora'" in text
    assert "did you mean `qlora`?" in text
    text = message(tmp_path, "task: causal-lm\nmethod: {kind: qlora, bits: 6}\n")
    assert "method.bits: input should be 4 or 8; it is 6" in text


def test_qlora_has_every_key_of_lora(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, "task: causal-lm\nmethod: {kind: qlora, rank: 8, targets: [q]}\n")
    assert recipe.method.model_dump() == {
        "kind": "qlora",
        "rank": 8,
        "alpha": 32,
        "dropout": 0.0,
        "targets": ("q",),
        "bits": 4,
        "quantisation": "auto",
    }


@pytest.mark.parametrize(("bits", "form", "other"), [(4, "nf4", "absmax"), (8, "absmax", "nf4")])
def test_a_form_of_frozen_weights_is_of_its_number_of_bits(
    bits: int, form: str, other: str, tmp_path: Path
) -> None:
    method = f"task: causal-lm\nmethod: {{kind: qlora, bits: {bits}, quantisation: %s}}\n"
    for one in ("auto", form):
        recipe = loaded(tmp_path, method % one)
        assert recipe.method.model_dump()["quantisation"] == one

    text = message(tmp_path, method % other)

    assert f"quantisation ({other}) is not a form of bits ({bits})" in text
    assert f"`quantisation: auto`, which is {form} there, would do" in text


def test_keys_are_laid_over_a_recipe_whose_kind_is_written_bare(tmp_path: Path) -> None:
    write(tmp_path, "task: seq2seq\nmethod: lora\n" + REST, "base.yaml")
    over = "extends: base.yaml\ntask: {prefix: 'summarize: '}\nmethod: {rank: 4}\n"
    recipe = load_recipe(write(tmp_path, over))

    assert (recipe.task.kind, recipe.method.kind) == ("seq2seq", "lora")
    assert recipe.task.prefix == "summarize: "  # type: ignore[union-attr]


def test_overrides_reach_a_task_whose_kind_is_written_bare(tmp_path: Path) -> None:
    overrides = ["task.generation.beams=4", "task.max_output_length=p95", "task.prefix=2024"]
    task = loaded(tmp_path, "task: seq2seq\n", *overrides).task

    assert isinstance(task, Seq2SeqTask)
    assert (task.generation.beams, task.max_output_length, task.prefix) == (4, "p95", "2024")


def test_a_key_of_one_kind_is_explained_by_its_plain_name_and_by_the_name_with_its_kind() -> None:
    assert "task(causal-lm).prompt" in explain("task.prompt")
    assert explain("task(causal-lm).prompt") == explain("task.prompt")
    assert explain("task.max_input_length").count("range: ≥ 8, ≤ 131072") == 2


def test_the_published_schema_knows_every_kind_of_task_and_what_a_percentile_is() -> None:
    schema = Recipe.model_json_schema(by_alias=True)
    sections = [one["$ref"].rsplit("/", 1)[-1] for one in schema["properties"]["task"]["oneOf"]]
    number, text = schema["$defs"]["CausalTask"]["properties"]["max_input_length"]["anyOf"]

    assert sections == [
        "ClassificationTask",
        "CausalTask",
        "PlainTextTask",
        "MaskedTask",
        "Seq2SeqTask",
    ]
    assert (number["minimum"], number["maximum"]) == (8, 131_072)
    assert re.search(text["pattern"], "p99.5")
    assert not re.search(text["pattern"], "p5")


def test_abstention_needs_rows_that_choose(tmp_path: Path) -> None:
    text = "task: {abstention: {max_risk: 0.1}, threshold: 0.5}\n"

    assert "no rows choose where to abstain; `threshold: tuned` would do" in message(tmp_path, text)
    assert loaded(tmp_path, "task: {abstention: {}}\n").task.abstention is not None
