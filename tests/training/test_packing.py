from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st

from burnish.tasks import batch as batches
from burnish.tasks.encoded import Encoded, Ragged
from burnish.training import packing
from burnish.training.methods import METHODS
from burnish.training.segments import Segments, packed_attention

LENGTHS = (12, 12, 9, 7, 7, 7, 3)
TOLERANCE = 1e-5


@pytest.fixture
def rows() -> Encoded:
    rng = np.random.default_rng(0)
    tokens = [rng.integers(5, 45, length).tolist() for length in LENGTHS]
    return Encoded(
        ids=tuple(map(str, range(len(LENGTHS)))),
        inputs=Ragged.of(tokens),
        targets=np.zeros((len(LENGTHS), 3), np.float32),
        references=(None,) * len(LENGTHS),
        rows_cut=0,
        tokens_lost=0,
    )


def one_row_at_a_time(model: Any, rows: Encoded) -> torch.Tensor:
    parts = [torch.from_numpy(piece.astype(np.int64)) for piece in pieces(rows)]
    return torch.cat([model(input_ids=part[None]).logits for part in parts])


def pieces(rows: Encoded) -> list[Any]:
    return [rows.inputs.row(at) for at in range(len(rows))]


def gradients(model: Any, logits: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1))
    (logits * weights).sum().backward()
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in model.named_parameters()
    }


@pytest.mark.parametrize("form", ["packed", "padded"])
@pytest.mark.parametrize("kind", sorted(packing.ANATOMIES))
def test_logits_and_gradients_equal_those_of_one_row_at_a_time(
    kind: str, form: str, rows: Encoded, tiny_config: Callable[..., Any]
) -> None:
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_config(
        tiny_config(kind, num_labels=3)
    ).eval()
    expected = one_row_at_a_time(model, rows)
    expected_gradients = gradients(model, expected)

    batch = getattr(batches, form)(pieces(rows), pad_id=0)
    found = packing.logits(model, batch)

    torch.testing.assert_close(found, expected, atol=TOLERANCE, rtol=0)
    found_gradients = gradients(model, found)
    for name, expected_gradient in expected_gradients.items():
        torch.testing.assert_close(
            found_gradients[name], expected_gradient, atol=TOLERANCE, rtol=0, msg=name
        )


def test_packing_works_under_adapters_too(rows: Encoded, tiny_config: Callable[..., Any]) -> None:
    torch.manual_seed(0)
    base = transformers.AutoModelForSequenceClassification.from_config(
        tiny_config("bert", num_labels=3)
    )
    options = SimpleNamespace(rank=2, alpha=4, dropout=0.0, targets="auto")
    model = METHODS.get("lora").prepare(base, options).eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)

    found = packing.logits(model, batches.packed(pieces(rows), pad_id=0))

    torch.testing.assert_close(found, one_row_at_a_time(model, rows), atol=TOLERANCE, rtol=0)


def test_a_pass_from_the_middle_equals_a_whole_one(
    rows: Encoded, tiny_config: Callable[..., Any]
) -> None:
    model = transformers.AutoModelForSequenceClassification.from_config(
        tiny_config("bert", num_labels=3)
    ).eval()
    batch = batches.packed(pieces(rows), pad_id=0)
    segments = Segments.of(batch["lengths"], batch["input_ids"].shape[1])
    whole = packing.packed_logits(model, batch)

    for start in range(4):
        lower = packing.lower_part(model, batch, segments, upto=start)
        found = packing.from_hidden(model, lower, segments, start=start)
        torch.testing.assert_close(found, whole, atol=TOLERANCE, rtol=0)


def test_the_model_is_saved_with_its_own_attention(
    rows: Encoded, tiny_config: Callable[..., Any], tmp_path: Path
) -> None:
    model = transformers.AutoModelForSequenceClassification.from_config(tiny_config("bert"))
    own = model.config._attn_implementation

    packing.logits(model, batches.packed(pieces(rows), pad_id=0))
    model.save_pretrained(tmp_path)

    assert model.config._attn_implementation == own
    assert "burnish" not in (tmp_path / "config.json").read_text()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(0, 5))
def test_segments_cover_a_pack_exactly(lengths: list[int], rest: int) -> None:
    segments = Segments.of(torch.tensor(lengths), sum(lengths) + rest)

    assert [length for rows, length in segments.runs for _ in range(rows)] == lengths
    assert sum(segments.sizes) == sum(lengths) + rest
    firsts = [sum(lengths[:at]) for at in range(len(lengths))]
    assert segments.rows == len(lengths)
    assert segments.firsts.tolist() == firsts + [0] * (-len(lengths) % 8)


def test_a_change_in_one_row_changes_no_other_row() -> None:
    torch.manual_seed(0)
    segments = Segments.of(torch.tensor([3, 3, 2]), 10)
    query, key, value = torch.randn(3, 1, 2, 10, 4)
    before, _ = packed_attention(torch.nn.Identity(), query, key, value, None, segments=segments)
    key[:, :, 3:6] += 1

    after, _ = packed_attention(torch.nn.Identity(), query, key, value, None, segments=segments)

    changed = (before != after).any(dim=(0, 2, 3)).tolist()
    assert changed == [False] * 3 + [True] * 3 + [False] * 4
