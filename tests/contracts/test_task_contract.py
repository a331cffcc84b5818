"""What every registered task must do; a new task adds a row to CASES."""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from burnish.recipe.task import (
    MASKED,
    PLAIN_TEXT,
    CausalTask,
    ClassificationTask,
    MaskedTask,
    PlainTextTask,
    Seq2SeqTask,
)
from burnish.recipe.training import Training
from burnish.records import LabelSpace, PlainSpace, Space, TextSpace
from burnish.tasks.base import TASKS, Answer, Task
from burnish.tasks.encoded import Encoded

LABELS = LabelSpace(names=("good", "bad"), multi_label=False, positive="bad")
TEXTS = ["one two three", "four", "five " * 30]
WRITTEN = [["one"], ["two three"], ["four", "no"]]
NAMED = [["good"], ["bad"], ["bad"]]
SHORT: dict[str, Any] = {"max_input_length": 16, "max_output_length": "p100"}
CASES: dict[str, tuple[Any, Space, list[list[str]]]] = {
    "text-classification": (ClassificationTask(max_length=16), LABELS, NAMED),
    "causal-lm": (CausalTask(prompt="{input}", **SHORT), TextSpace(), WRITTEN),
    "seq2seq": (Seq2SeqTask(**SHORT), TextSpace(), WRITTEN),
    PLAIN_TEXT: (PlainTextTask(max_length=16), PlainSpace(), [[], [], []]),
    MASKED: (MaskedTask(max_length=16), PlainSpace(), [[], [], []]),
}
# Tokens of each piece: a decoder's text has an end mark, and a piece the token before it.
PIECES = {PLAIN_TEXT: [4, 2, 16, 16], MASKED: [3, 1, 16, 14]}


def words() -> PreTrainedTokenizerFast:
    """A tokenizer of whole words that adds nothing."""
    names = ("<pad>", "<unk>", "<end>", "<mask>", "one", "two", "three", "four", "five", "no")
    pad, unknown, end, mask = names[:4]
    vocabulary = {name: at for at, name in enumerate(names)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=pad,
        unk_token=unknown,
        eos_token=end,
        mask_token=mask,
    )


@dataclass(frozen=True)
class Case:
    kind: str
    task: Task
    encoded: Encoded

    @property
    def outputs(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        shape = (len(self.encoded), self.task.width)
        found = np.random.default_rng(0).random(shape, np.float32) + 1
        if self.task.space.asked == "labels":
            return found
        # Tokens that are hit are never more than there are tokens: here every one is.
        return np.repeat(found[:, :1], self.task.width, axis=1)

    @property
    def reads_whole(self) -> bool:
        """Whether long texts are read in pieces, so that nothing is cut."""
        return self.task.space.asked == "nothing"


@pytest.fixture(params=TASKS.names())
def case(request: pytest.FixtureRequest) -> Case:
    section, space, labels = CASES[request.param]
    rows = pl.DataFrame({"id": ["a", "b", "c"], "text": TEXTS, "labels": labels})
    task = TASKS.get(request.param).from_recipe(section, space)
    tokenizer = task.prepare_tokenizer(words())
    task = task.measure(rows, tokenizer)
    return Case(request.param, task, task.encode_to_learn(rows, tokenizer))


def test_every_row_is_encoded_with_its_target_and_reference(case: Case) -> None:
    found = case.encoded

    assert len(found) == len(found.targets) == len(found.references)
    assert found.examples == len(TEXTS)
    assert found.ids[:3] == ("a", "b", "c")
    assert found.references[2] == tuple(CASES[case.kind][2][2])


def test_what_is_too_long_is_cut_and_counted_or_read_in_pieces(case: Case) -> None:
    found = case.encoded

    if case.reads_whole:
        assert found.ids == ("a", "b", "c", "c")
        assert found.lengths.tolist() == PIECES[case.kind]
        assert (found.rows_cut, found.tokens_lost) == (0, 0)
    else:
        assert found.inputs.lengths.tolist() == [3, 1, 16]
        assert (found.rows_cut, found.tokens_lost) == (1, 14)


@pytest.mark.parametrize("packed", [True, False])
def test_a_batch_holds_every_token_of_its_rows(case: Case, packed: bool) -> None:
    batch = case.task.collate(case.encoded, [2, 0], packed=packed, pad_id=0)

    of_rows = case.encoded.take([2, 0])
    tokens = batch["input_ids"][batch["input_ids"] > 0]
    joined = of_rows.answers if case.task.joins else None
    # The last token of each row does not go in: nothing is foretold from it.
    behind = [joined.row(at)[:-1].sum() for at in (0, 1)] if joined else [0]
    assert tokens.sum() == of_rows.inputs.tokens.sum() + sum(behind)


def test_the_loss_is_a_sum_over_rows_and_so_is_its_weight(case: Case) -> None:
    task = case.task.for_training(Training(), case.encoded)
    outputs = torch.from_numpy(case.outputs)

    def loss(rows: list[int]) -> float:
        batch = task.collate(case.encoded, rows, packed=False, pad_id=0)
        return float(task.loss(outputs[rows], batch))

    def weight(rows: list[int]) -> float:
        return task.weight(case.encoded, rows)

    assert loss([0, 1, 2]) == pytest.approx(loss([0]) + loss([1]) + loss([2]), rel=1e-5)
    assert weight([0, 1, 2]) == weight([0]) + weight([1]) + weight([2]) > 0


def test_what_chooses_the_checkpoint_is_among_what_judges_it(case: Case) -> None:
    judged = case.task.judge(case.outputs, case.encoded)

    assert set(judged) == set(case.task.metric_names())
    assert {case.task.selects, "loss"} <= set(judged)
    assert not case.task.higher_is_better("loss")


def test_the_metric_of_the_verdict_is_among_the_scores(case: Case) -> None:
    texts = [Answer("one two", complete=True)] * 3 if case.task.writing else []
    predictions = case.task.decode(case.outputs, case.encoded, texts)

    assert [one.example_id for one in predictions] == ["a", "b", "c"]
    assert case.task.metric in case.task.score(predictions)


def test_tuning_gives_a_task_that_still_judges(case: Case) -> None:
    tuned = case.task.tune(case.outputs, case.encoded)

    assert set(tuned.judge(case.outputs, case.encoded)) == set(case.task.metric_names())


def test_a_task_can_be_written_to_json_and_read_back(case: Case) -> None:
    written = json.loads(json.dumps(case.task.to_json()))

    assert TASKS.get(written["kind"]).from_json(written).to_json() == case.task.to_json()
    assert written["kind"] == case.kind


def test_rows_taken_are_the_rows_of_the_whole(case: Case) -> None:
    part = case.encoded.take([2, 1])

    assert part.ids == ("c", "b")
    assert part.inputs.row(1).tolist() == case.encoded.inputs.row(1).tolist()
    assert part.lengths.tolist() == case.encoded.lengths[[2, 1]].tolist()
