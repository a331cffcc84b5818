import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from burnish.training.methods.low_rank import adapted


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("dropout", [True, False])
@pytest.mark.parametrize("biased", [True, False])
def test_one_step_is_the_chain_of_small_operations_with_its_gradients(
    biased: bool, dropout: bool, held: bool
) -> None:
    torch.manual_seed(0)
    inputs, weight, bias = torch.randn(2, 7, 6), torch.randn(5, 6), torch.randn(5)
    down, up, above = torch.randn(3, 6), torch.randn(5, 3), torch.randn(2, 7, 5)
    stays = torch.rand(2, 7, 6) > (0.3 if dropout else -1)
    keeps = stays.to(torch.int32).neg() if dropout else None
    moved = [each.requires_grad_() for each in (inputs, down, up)]
    own = bias if biased else None

    chain = F.linear(inputs, weight, own) + 0.5 * F.linear(F.linear(inputs * stays, down), up)
    frozen = weight.to if held else weight
    fused = adapted(inputs, frozen, own, down, up, scale=0.5, keeps=keeps)

    torch.testing.assert_close(fused, chain)
    expected = torch.autograd.grad((chain * above).sum(), moved)
    found = torch.autograd.grad((fused * above).sum(), moved)
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-5)


def test_inputs_that_do_not_move_get_no_gradient() -> None:
    down, up = torch.randn(3, 6, requires_grad=True), torch.randn(5, 3, requires_grad=True)

    adapted(torch.randn(4, 6), torch.randn(5, 6), None, down, up, scale=1.0).sum().backward()

    assert down.grad is not None
    assert up.grad is not None
