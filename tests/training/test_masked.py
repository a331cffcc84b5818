"""Encoders that foretell hidden words: packed, padded, and one row at a time are the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers

from burnish.errors import EmptyDataError, ModelTaskError
from burnish.recipe.document import Document
from burnish.recipe.load import validate
from burnish.recipe.task import MaskedTask as Section
from burnish.records import PlainSpace
from burnish.tasks.encoded import Encoded
from burnish.tasks.masked_lm import MaskedTask
from burnish.training import forward
from burnish.training.fill import fill
from burnish.training.hardware import Hardware
from burnish.training.masked import TRANSFORMS
from burnish.training.models import can_answer, load_model, load_tokenizer
from burnish.training.new_head import with_head
from burnish.training.predict import raw_outputs
from burnish.training.sources import ModelSource, resolve
from burnish.training.tokenizers import open_tokenizer

ARCHITECTURES = tuple(TRANSFORMS)


@pytest.fixture
def asked(
    tiny: ModelSource, made_rows: Callable[..., pl.DataFrame]
) -> tuple[MaskedTask, Any, pl.DataFrame]:
    """A task, a tokenizer and rows."""
    rows, tokenizer = made_rows(9), open_tokenizer(tiny)
    task = MaskedTask.from_recipe(Section(max_length=32), PlainSpace())
    return task.measure(rows, tokenizer), tokenizer, rows


def model(tiny_config: Callable[..., Any], kind: str) -> Any:
    torch.manual_seed(0)
    return transformers.AutoModelForMaskedLM.from_config(tiny_config(kind)).eval()


def outputs(found: Any, task: MaskedTask, encoded: Encoded, *, packed: bool) -> torch.Tensor:
    batch = task.collate(encoded, range(len(encoded)), packed=packed, pad_id=0)
    return forward.outputs(found, batch, task)


def one_at_a_time(found: Any, encoded: Encoded) -> torch.Tensor:
    """Return loss, count and hits of each row, by the model itself and PyTorch's own functions."""
    assert encoded.places is not None
    assert encoded.answers is not None
    rows = []
    for at in range(len(encoded)):
        ids = torch.from_numpy(encoded.inputs.row(at).astype(np.int64))[None]
        logits = found(input_ids=ids).logits[0, encoded.places.row(at).astype(np.int64)]
        truth = torch.from_numpy(encoded.answers.row(at).astype(np.int64))
        loss = torch.nn.functional.cross_entropy(logits, truth, reduction="sum")
        order = logits.argsort(dim=1, descending=True, stable=True)
        place = (order == truth[:, None]).int().argmax(dim=1)
        counts = [torch.tensor(float(len(truth))), *((place < top).sum().float() for top in (1, 5))]
        rows.append(torch.stack([loss, *counts]))
    return torch.stack(rows)


def gradients(found: Any, losses: torch.Tensor) -> dict[str, torch.Tensor]:
    found.zero_grad()
    losses[:, 0].sum().backward()
    return {n: p.grad.clone() for n, p in found.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("packed", [True, False])
def test_losses_and_gradients_equal_those_of_one_row_at_a_time(
    asked: Any, tiny_config: Callable[..., Any], kind: str, packed: bool
) -> None:
    task, tokenizer, rows = asked
    encoded, found = task.encode_to_learn(rows, tokenizer), model(tiny_config, kind)
    wanted = one_at_a_time(found, encoded)
    slopes = gradients(found, wanted)

    got = outputs(found, task, encoded, packed=packed)

    torch.testing.assert_close(got[:, :2], wanted[:, :2], atol=1e-5, rtol=1e-5)
    assert got[:, 2:].isnan().all()  # nobody asks for it while a model learns
    mine = gradients(found, got)
    for name, slope in slopes.items():
        torch.testing.assert_close(mine[name], slope, atol=1e-5, rtol=1e-5, msg=name)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("packed", [True, False])
def test_hidden_words_are_hit_as_from_one_row_at_a_time(
    asked: Any, tiny_config: Callable[..., Any], kind: str, packed: bool
) -> None:
    task, tokenizer, rows = asked
    encoded, found = task.encode(rows, tokenizer), model(tiny_config, kind)
    assert encoded.answers is not None
    with (
        torch.inference_mode()
    ):  # a leaning to some of the tokens asked for, so that there are hits
        found.get_output_embeddings().bias[encoded.answers.tokens[::9].astype(np.int64)] += 1
        wanted = one_at_a_time(found, encoded)
        got = outputs(found, task, encoded, packed=packed)

    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)
    first, five = got[:, 2:].sum(dim=0)
    assert 0 < first < five < got[:, 1].sum()
    told = task.decode(got.numpy(), encoded)
    assert sum(one.scores["top5"] for one in told) == five
    assert task.judge(got.numpy(), encoded)["top1"] == pytest.approx(float(first / got[:, 1].sum()))


def test_a_text_is_as_likely_alone_as_among_others(
    asked: Any, tiny_config: Callable[..., Any], hardware: Hardware
) -> None:
    task, tokenizer, rows = asked
    found = model(tiny_config, "bert")

    def likelihoods(of: pl.DataFrame) -> list[float]:
        encoded = task.encode(of, tokenizer)
        told = task.decode(raw_outputs(found, encoded, task, hardware), encoded)
        return [one.scores["log_likelihood"] for one in told]

    together = likelihoods(rows)
    alone = [likelihoods(rows[at : at + 1])[0] for at in range(rows.height)]

    assert together == pytest.approx(alone, rel=1e-5)
    assert likelihoods(rows) == together


def test_masks_are_filled_as_transformers_fills_them(
    asked: Any, tiny_config: Callable[..., Any], hardware: Hardware
) -> None:
    task, tokenizer, _ = asked
    found = model(tiny_config, "bert")
    texts = ["word1 [MASK] word2", "no mask", "[MASK] word3 word4 word5 [MASK]"]
    theirs = transformers.pipeline("fill-mask", model=found, tokenizer=tokenizer)

    filled = fill(found, tokenizer, task, hardware, texts, top_k=3)

    assert [len(one) for one in filled] == [1, 0, 2]
    wanted = theirs(texts[0], top_k=3)
    assert [one.token for one in filled[0][0]] == [one["token"] for one in wanted]
    assert [one.score for one in filled[0][0]] == pytest.approx([one["score"] for one in wanted])
    assert filled[0][0][0].sequence == wanted[0]["sequence"]
    for mine, mask in zip(filled[2], theirs(texts[2], top_k=3), strict=True):
        assert [one.token_str for one in mine] == [one["token_str"] for one in mask]
    assert filled[2][0][0].sequence.count("[MASK]") == 1


def test_a_text_that_is_too_long_to_be_filled_is_refused(
    asked: Any, tiny_config: Callable[..., Any], hardware: Hardware
) -> None:
    task, tokenizer, _ = asked
    tokenizer.model_max_length = 5

    with pytest.raises(EmptyDataError, match="the model reads 5 at once"):
        fill(model(tiny_config, "bert"), tokenizer, task, hardware, ["word1 " * 9 + "[MASK]"])


def recipe(folder: Path) -> Any:
    written = {
        "task": {"kind": "masked-lm", "new_head": {"epochs": 3, "learning_rate": 1e-2}},
        "model": str(folder), "data": {"train": "unused.jsonl"},
        "training": {"batch_size": 4},
    }  # fmt: skip
    return validate(Document(written, {}, "a test"))


def test_a_head_that_is_missing_is_trained_alone_and_once(
    asked: Any, tiny: ModelSource, hardware: Hardware, tmp_path: Path
) -> None:
    task, _, rows = asked
    tokenizer = load_tokenizer(tiny, task)
    encoded = task.encode_to_learn(rows, tokenizer)
    wanted = {"hardware": hardware, "tokenizer": tokenizer, "folder": tmp_path / "start"}
    assert not can_answer(tiny, task)

    source = with_head(recipe(tiny.folder), task, tiny, encoded, **wanted)
    again = with_head(recipe(tiny.folder), task, tiny, encoded, **wanted)

    before, after = load_model(tiny, task), load_model(source, task)
    assert can_answer(source, task)
    assert again == source
    old = before.bert.state_dict()
    assert all(torch.equal(old[name], one) for name, one in after.bert.state_dict().items())
    loss = [raw_outputs(one, encoded, task, hardware)[:, 0].sum() for one in (before, after)]
    assert loss[1] < loss[0]


def test_a_model_with_a_head_of_its_own_starts_as_it_is(
    asked: Any, tiny_config: Callable[..., Any], hardware: Hardware, tmp_path: Path
) -> None:
    task, tokenizer, rows = asked
    model(tiny_config, "bert").save_pretrained(tmp_path / "own")
    tokenizer.save_pretrained(tmp_path / "own")
    source = resolve(str(tmp_path / "own"))
    encoded = task.encode_to_learn(rows, tokenizer)

    found = with_head(
        recipe(source.folder), task, source, encoded,
        hardware=hardware, tokenizer=tokenizer, folder=tmp_path / "start",
    )  # fmt: skip

    assert found == source
    assert not (tmp_path / "start").exists()


def test_an_unknown_encoder_without_a_head_is_refused(
    asked: Any, hardware: Hardware, tmp_path: Path
) -> None:
    task, tokenizer, rows = asked
    config = transformers.MPNetConfig(
        vocab_size=45, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, pad_token_id=0,
    )  # fmt: skip
    transformers.AutoModel.from_config(config).save_pretrained(tmp_path / "mpnet")
    tokenizer.save_pretrained(tmp_path / "mpnet")
    source = resolve(str(tmp_path / "mpnet"))

    with pytest.raises(ModelTaskError, match="without an output layer for words"):
        with_head(
            recipe(source.folder), task, source, task.encode_to_learn(rows, tokenizer),
            hardware=hardware, tokenizer=tokenizer, folder=tmp_path / "start",
        )  # fmt: skip


def test_a_long_text_without_a_mask_is_left_in_peace(
    asked: Any, tiny_config: Callable[..., Any], hardware: Hardware
) -> None:
    task, tokenizer, _ = asked
    tokenizer.model_max_length = 5
    found = model(tiny_config, "bert")

    assert fill(found, tokenizer, task, hardware, ["word1 " * 9]) == [()]
    filled = fill(found, tokenizer, task, hardware, ["word1 " * 9, "word1 [MASK]"], top_k=2)
    assert [len(one) for one in filled] == [0, 1]
