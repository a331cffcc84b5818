from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from burnish.training import runs_attention
from burnish.training.dropout import FastDropout, Noise, use_fast_dropout, use_plain_dropout
from burnish.training.runs_attention import dropped_attention

RUNS = ((2, 3), (1, 5), (3, 2))  # 17 tokens
LENGTHS = [length for rows, length in RUNS for _ in range(rows)]
TOTAL = 20  # with padding


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_is_kept(share: float) -> None:
    mask = Noise().mask(torch.Size((1000, 1000)), share, dtype=torch.float32)

    assert float((mask == 0).float().mean()) == pytest.approx(share, abs=3e-3)
    assert float(mask.mean()) == pytest.approx(1, abs=2e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_mask_holds_nothing_but_zero_and_what_makes_up_for_it(dtype: torch.dtype) -> None:
    noise = Noise()
    noise.restart(1)
    mask = noise.mask(torch.Size((64, 33)), 0.25, dtype=dtype)
    assert mask.dtype == dtype
    assert set(mask.unique().tolist()) == {0.0, torch.tensor(4 / 3, dtype=dtype).item()}


def test_a_seed_gives_the_same_masks_again_and_no_two_masks_alike() -> None:
    noise, shape = Noise(), torch.Size((64, 3))
    noise.restart(5)
    first, second = (noise.mask(shape, 0.5, dtype=torch.float32) for _ in range(2))
    noise.restart(5)

    assert torch.equal(noise.mask(shape, 0.5, dtype=torch.float32), first)
    assert not torch.equal(first, second)


def test_a_large_mask_is_what_small_ones_are_one_after_the_other() -> None:
    noise, sizes = Noise(), (7, 300_000, 1, 99_992)
    noise.restart(2)
    parts = [noise.drops(torch.Size((size,)), 0.3, like=torch.int32) for size in sizes]
    noise.restart(2)

    whole = noise.drops(torch.Size((4, sum(sizes) // 4)), 0.3, like=torch.int32)

    assert torch.equal(torch.cat(parts), whole.flatten())


def test_what_is_dropped_tells_nothing_of_what_is_dropped_beside_or_after_it() -> None:
    noise, share, count = Noise(), 0.1, 1 << 18
    drawn = [noise.drops(torch.Size((count,)), share, like=torch.int32) for _ in range(20)]
    dropped = (torch.stack(drawn).double() - share) / (share * (1 - share)) ** 0.5

    # The standard error of a mean of so many products of unit variance.
    error = dropped.numel() ** -0.5
    for lag in range(1, 9):
        beside = (dropped[:, lag:] * dropped[:, :-lag]).mean()
        after = (dropped[lag:] * dropped[:-lag]).mean()
        assert abs(beside) < 5 * error
        assert abs(after) < 5 * error * (20 / (20 - lag)) ** 0.5
    # Sixteen bits of each drawn word are one decision.
    by_bits = dropped.view(20, -1, 4).mean(dim=(0, 1))
    assert by_bits.abs().max() < 5 * 2 * error


def test_gradients_go_through_what_was_kept_only() -> None:
    layer = FastDropout(0.5, Noise())
    activations = torch.ones(100, requires_grad=True)

    dropped = layer(activations)
    dropped.sum().backward()

    assert torch.equal(dropped.detach(), activations.grad)
    assert set(dropped.tolist()) == {0.0, 2.0}


def test_nothing_is_dropped_outside_training() -> None:
    layer = FastDropout(0.5, Noise()).eval()
    activations = torch.ones(10)

    assert layer(activations) is activations


def test_dropout_layers_are_replaced_and_put_back() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Dropout(0.3)))

    use_fast_dropout(model)
    assert isinstance(model[1][0], FastDropout)
    use_plain_dropout(model)

    assert type(model[1][0]) is nn.Dropout
    assert model[1][0].p == 0.3


class Nothing(Noise):
    """Drops nothing."""

    def mask(
        self,
        shape: torch.Size,
        share: float,  # noqa: ARG002
        *,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        return torch.ones(shape, dtype=dtype)


def reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Attend row by row with PyTorch's own operations; `mask`: (rows, heads, longest, longest)."""
    rows, start = [], 0
    for row, length in enumerate(LENGTHS):
        q, k, v = (states[start : start + length].transpose(0, 1) for states in (query, key, value))
        weights = F.softmax(q @ k.transpose(1, 2) * 0.5, dim=-1)
        if mask is not None:
            weights = weights * mask[row, :, :length, :length]
        rows.append((weights @ v).transpose(0, 1))
        start += length
    return torch.cat([*rows, query.new_zeros(TOTAL - start, 2, 4)])


@pytest.fixture(
    params=[(8192, 2048, 64), (40, 20, 64), (1, 0, 64), (8192, 2048, 4)],
    ids=["one block", "several", "a row each", "wide"],
)
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Attention whose blocks are as large as they are, or smaller, or more are wide."""
    for name, value in zip(("_AREA", "_PADDING", "_NARROW"), request.param, strict=True):
        monkeypatch.setattr(runs_attention, name, value)
    runs_attention._layout.cache_clear()
    yield
    runs_attention._layout.cache_clear()


@pytest.mark.usefixtures("blocks")
def test_attention_works_in_bf16_under_autocast() -> None:
    torch.manual_seed(0)
    states = [torch.randn(TOTAL, 2, 4) for _ in range(3)]
    low = [each.bfloat16().requires_grad_() for each in states]
    noise, outputs = Noise(), []

    for form in (states, low):
        noise.restart(1)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = dropped_attention(*form, runs=RUNS, scale=0.5, share=0.4, noise=noise)
        outputs.append(out)
    outputs[1].sum().backward()

    assert outputs[1].dtype == low[0].grad.dtype == torch.bfloat16
    torch.testing.assert_close(outputs[1].float(), outputs[0], atol=0.05, rtol=0)


def states_of(dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    torch.manual_seed(0)
    return [torch.randn(TOTAL, 2, 4, dtype=dtype, requires_grad=True) for _ in range(3)]


@pytest.mark.usefixtures("blocks")
def test_attention_and_its_gradients_equal_those_of_pytorch() -> None:
    states, weights = states_of(), torch.randn(TOTAL, 2, 4)
    expected = reference(*states)
    gradients = torch.autograd.grad((expected * weights).sum(), states)

    found = dropped_attention(*states, runs=RUNS, scale=0.5, share=0.4, noise=Nothing())
    found_gradients = torch.autograd.grad((found * weights).sum(), states)

    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    for mine, other in zip(found_gradients, gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)


def test_what_is_dropped_counts_neither_forwards_nor_backwards() -> None:
    states, weights, noise = states_of(), torch.randn(TOTAL, 2, 4), Noise()
    noise.restart(1)
    flat = noise.mask(torch.Size((len(LENGTHS) * 2 * 5 * 5,)), 0.4, dtype=torch.float32)
    expected = reference(*states, flat.view(-1, 2, 5, 5))
    gradients = torch.autograd.grad((expected * weights).sum(), states)

    noise.restart(1)
    found = dropped_attention(*states, runs=RUNS, scale=0.5, share=0.4, noise=noise)
    found_gradients = torch.autograd.grad((found * weights).sum(), states)

    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    for mine, other in zip(found_gradients, gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("first", [False, True])
def test_gradients_are_those_of_the_function(first: bool) -> None:
    states, noise = states_of(torch.float64), Noise()
    if first:
        states[0] = states[0][: len(LENGTHS)].detach().requires_grad_()

    def attend(*given: torch.Tensor) -> torch.Tensor:
        noise.restart(3)
        return dropped_attention(*given, runs=RUNS, scale=0.5, share=0.4, noise=noise, first=first)

    assert torch.autograd.gradcheck(attend, states)


@pytest.mark.usefixtures("blocks")
def test_first_tokens_alone_gather_what_they_do_among_all() -> None:
    states = states_of()
    starts = [sum(LENGTHS[:at]) for at in range(len(LENGTHS))]
    every = reference(*states)

    found = dropped_attention(
        states[0][starts], *states[1:], runs=RUNS, scale=0.5, share=0.4, noise=Nothing(), first=True
    )

    torch.testing.assert_close(found, every[starts], atol=1e-6, rtol=0)
