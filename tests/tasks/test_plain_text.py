"""Plain texts: every token but the first is foretold once, in however many pieces."""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from burnish.recipe.task import PlainTextTask as Section
from burnish.records import PlainSpace
from burnish.tasks.encoded import Encoded
from burnish.tasks.plain_text import PlainTextTask
from burnish.training import forward

END = 2
TEXTS = ("a cat sat", "b", "the cat sat on the mat and the cat sat on the mat again", "", "no")


def rows(*texts: str) -> pl.DataFrame:
    ids = [f"row{at}" for at in range(len(texts))]
    return pl.DataFrame({"id": ids, "text": texts}, schema={"id": pl.String, "text": pl.String})


class Letters:
    """Stands in for a tokenizer: a token a letter."""

    eos_token_id = END
    model_max_length = 40

    def __call__(self, texts: list[str], **_: Any) -> dict[str, list[list[int]]]:
        return {"input_ids": [[ord(letter) for letter in text] for text in texts]}


@given(st.lists(st.text(alphabet="abc", max_size=50), min_size=1), st.integers(2, 20))
def test_pieces_foretell_every_token_but_the_first_once(texts: list[str], longest: int) -> None:
    found = PlainTextTask(max_length=longest).encode(rows(*texts), Letters())

    assert found.answers is not None
    assert found.lengths.max(initial=0) <= longest
    for at, text in enumerate(texts):
        mine = [i for i, name in enumerate(found.ids) if name == f"row{at}"]
        foretold = [token for i in mine for token in found.answers.row(i).tolist()]
        given_first = [found.inputs.row(i).tolist() for i in mine]
        assert foretold == [ord(letter) for letter in text][1:] + [END] * bool(text)
        assert given_first[1:] == [found.answers.row(i)[-1:].tolist() for i in mine[:-1]]
        assert found.targets[mine, 0].tolist() == [0.0] * (len(mine) - 1) + [float(bool(text))]


@pytest.mark.parametrize(("asked", "longest"), [(12, 12), ("p100", 40), ("p50", 11)])
def test_a_percentile_of_the_texts_is_no_more_than_the_model_reads(
    asked: int | str, longest: int
) -> None:
    texts = rows("a" * 10, "b" * 10, "c" * 90)

    task = PlainTextTask.from_recipe(Section(max_length=asked), PlainSpace()).measure(
        texts, Letters()
    )

    assert task.longest == longest


@pytest.fixture
def encoded(byte_level: Callable[..., Any]) -> Encoded:
    return PlainTextTask(max_length=9).encode(rows(*TEXTS), byte_level(*TEXTS))


def model() -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = transformers.LlamaConfig(
        **sizes, intermediate_size=48, vocab_size=300, pad_token_id=0, bos_token_id=1,
        eos_token_id=END,
    )  # fmt: skip
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def one_by_one(base: Any, encoded: Encoded) -> tuple[list[list[float]], torch.Tensor]:
    """The plain way: each token of each piece by itself; and the losses of all added up."""
    assert encoded.answers is not None
    by_row, whole = [], torch.zeros(())
    for at in range(len(encoded)):
        answer = torch.from_numpy(encoded.answers.row(at).astype(np.int64))
        first = torch.from_numpy(encoded.inputs.row(at).astype(np.int64))
        logits = base(input_ids=torch.cat([first, answer])[None]).logits[0, :-1]
        losses = torch.nn.functional.cross_entropy(logits, answer, reduction="none")
        ends = answer == END
        order = logits.argsort(dim=1, descending=True, stable=True)
        place = (order == answer[:, None]).int().argmax(dim=1)
        told = [
            figure
            for kind in (~ends, ends)
            for figure in (
                losses[kind].sum(),
                kind.sum(),
                *((place[kind] < n).sum() for n in (1, 5)),
            )
        ]
        by_row.append([one.item() for one in told])
        whole = whole + losses.sum()
    return by_row, whole


@pytest.mark.parametrize("packed", [True, False])
def test_tokens_and_end_marks_are_told_apart_and_both_learned(
    packed: bool, encoded: Encoded
) -> None:
    task, base = PlainTextTask(max_length=9), model()
    expected, whole = one_by_one(base, encoded)
    whole.backward()
    wanted = {name: weight.grad.clone() for name, weight in base.named_parameters()}
    base.zero_grad()

    batch = task.collate(encoded, range(len(encoded)), packed=packed, pad_id=0)
    outputs = forward.outputs(base, batch, task)
    task.loss(outputs, batch).backward()

    learned = [0, 1, 4, 5]  # hits are counted where a model is judged
    wished = torch.tensor(expected)
    torch.testing.assert_close(outputs[:, learned], wished[:, learned], atol=1e-4, rtol=1e-5)
    assert task.weight(encoded, range(len(encoded))) == outputs[:, [1, 5]].sum()
    with torch.inference_mode():
        judged = forward.outputs(base, batch, task)
    torch.testing.assert_close(judged, wished, atol=1e-4, rtol=1e-5)
    for name, weight in base.named_parameters():
        torch.testing.assert_close(weight.grad, wanted[name], atol=1e-5, rtol=1e-4)


def test_a_text_is_as_likely_as_its_pieces_and_its_end_counts_for_nothing(
    encoded: Encoded,
) -> None:
    task = PlainTextTask(max_length=9)
    outputs = np.array(one_by_one(model(), encoded)[0], np.float32)

    found = {one.example_id: one for one in task.decode(outputs, encoded)}

    assert list(found) == ["row0", "row1", "row2", "row3", "row4"]
    mine = [at for at, name in enumerate(encoded.ids) if name == "row2"]
    assert len(mine) > 1
    assert found["row2"].scores["log_likelihood"] == pytest.approx(-outputs[mine, 0].sum())
    assert found["row2"].scores["tokens"] == outputs[mine, 1].sum()
    assert found["row2"].scores["top5"] == outputs[mine, 3].sum()
    nothing = {"log_likelihood": 0.0, "tokens": 0.0, "top1": 0.0, "top5": 0.0}
    assert found["row1"].scores == found["row3"].scores == nothing
    assert {one.answer for one in found.values()} == {one.reference for one in found.values()}
    assert task.judge(outputs, encoded)["loss"] == pytest.approx(
        outputs[:, 0].sum() / outputs[:, 1].sum()
    )


def test_a_row_without_a_token_to_learn_is_told() -> None:
    task = PlainTextTask(max_length=9)

    (found,) = task.unfit(rows("ab", "", "c"), Letters())

    assert (found.code, found.action, found.rows.tolist()) == ("no-token", "drop", [0, 1, 0])
    assert task.unfit(rows("ab"), Letters()) == []
