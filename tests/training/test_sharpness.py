from collections.abc import Callable

import pytest
import torch

from burnish.recipe.recipe import Recipe
from burnish.training.fit import FitResult
from burnish.training.sharpness import moved_uphill


def test_weights_move_uphill_by_the_radius_and_come_back_to_the_last_bit() -> None:
    first = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    other = torch.nn.Parameter(torch.tensor([0.1]))
    unused = torch.nn.Parameter(torch.tensor([7.0]))
    first.grad, other.grad = torch.tensor([3.0, 0.0]), torch.tensor([4.0])

    with moved_uphill([first, other, unused], 0.5):
        # A length of 0.5 along (3, 0, 4), whose own length is 5.
        torch.testing.assert_close(first.data, torch.tensor([1.3, 2.0]))
        torch.testing.assert_close(other.data, torch.tensor([0.5]))
        assert unused.item() == 7.0
        assert all(weight.grad is None for weight in (first, other))
        (first.sum() * 2).backward()  # type: ignore[no-untyped-call]

    assert first.tolist() == [1.0, 2.0]
    assert torch.equal(other.data, torch.tensor([0.1]))
    assert first.grad is not None
    assert first.grad.tolist() == [2.0, 2.0]


def test_weights_come_back_where_the_block_fails() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)

    with pytest.raises(KeyboardInterrupt), moved_uphill([weight], 0.1):
        raise KeyboardInterrupt

    assert weight.tolist() == [1.0, 1.0]


def test_without_a_slope_nothing_moves() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)

    with moved_uphill([weight], 0.1):
        assert weight.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("method", [{"kind": "full"}, {"kind": "lora", "rank": 4}])
def test_a_step_with_a_radius_is_the_gradient_uphill(
    method: dict[str, object],
    run: Callable[..., FitResult],
    make_recipe: Callable[..., Recipe],
) -> None:
    def outputs(radius: float | None) -> torch.Tensor:
        result = run(
            make_recipe(method=method, epochs=2.0, learning_rate=0.01, sharpness_radius=radius),
            folder=f"r{radius}",
        )
        assert result.choose_outputs is not None
        return torch.from_numpy(result.choose_outputs)

    plain, near, far = outputs(None), outputs(1e-7), outputs(1.0)

    # So near that the slope is the same; far away it is another one.
    torch.testing.assert_close(near, plain, atol=2e-2, rtol=2e-2)
    assert (far - plain).abs().max() > (near - plain).abs().max()
