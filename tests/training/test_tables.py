"""Tables of words held in bf16."""

import torch

from burnish.training.methods.tables import HalfLinear


def test_rows_with_no_answer_need_no_table() -> None:
    layer = HalfLinear(8, 5)
    layer.weight.data = layer.weight.data.bfloat16()

    assert layer(torch.zeros(1, 0, 8)).shape == (1, 0, 5)
    assert layer(torch.zeros(2, 3, 8)).dtype == torch.float32
