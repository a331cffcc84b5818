import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from burnish.training.dropout import FastDropout, Noise, use_fast_dropout, use_plain_dropout
from burnish.training.runs_attention import dropped_attention

RUNS = ((2, 3), (1, 5), (3, 2))  # 17 tokens
TOTAL = 20  # with padding


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_dropped_and_the_mean_is_kept(share: float) -> None:
    mask = Noise().mask(torch.Size((1000, 1000)), share, dtype=torch.float32)

    assert float((mask == 0).float().mean()) == pytest.approx(share, abs=3e-3)
    assert float(mask.mean()) == pytest.approx(1, abs=2e-2)


def test_a_seed_gives_the_same_masks_again_and_no_two_masks_alike() -> None:
    noise, shape = Noise(), torch.Size((64, 3))
    noise.restart(5)
    first, second = (noise.mask(shape, 0.5, dtype=torch.float32) for _ in range(2))
    noise.restart(5)

    assert torch.equal(noise.mask(shape, 0.5, dtype=torch.float32), first)
    assert not torch.equal(first, second)


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


def reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, masks: list[torch.Tensor]
) -> torch.Tensor:
    """Attend row by row with PyTorch's own operations and the same masks."""
    rows, start = [], 0
    for (count, length), mask in zip(RUNS, masks, strict=True):
        for part in mask.view(count, 2, length, length):
            q, k, v = (
                states[start : start + length].transpose(0, 1) for states in (query, key, value)
            )
            weights = F.softmax(q @ k.transpose(1, 2) * 0.5, dim=-1) * part
            rows.append((weights @ v).transpose(0, 1))
            start += length
    return torch.cat([*rows, query.new_zeros(TOTAL - start, 2, 4)])


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


def test_attention_and_its_gradients_equal_those_of_pytorch() -> None:
    torch.manual_seed(0)
    states = [torch.randn(TOTAL, 2, 4, requires_grad=True) for _ in range(3)]
    weights = torch.randn(TOTAL, 2, 4)
    noise = Noise()
    noise.restart(1)
    masks = [
        noise.mask(torch.Size((rows * 2, length, length)), 0.4, dtype=torch.float32)
        for rows, length in RUNS
    ]
    expected = reference(*states, masks)
    expected_gradients = torch.autograd.grad((expected * weights).sum(), states)

    noise.restart(1)
    found = dropped_attention(*states, runs=RUNS, scale=0.5, share=0.4, noise=noise)
    found_gradients = torch.autograd.grad((found * weights).sum(), states)

    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    for mine, other in zip(found_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-6, rtol=0)
