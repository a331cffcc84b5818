"""A layer held in 4 bits: its weight, and what it refuses."""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from burnish.errors import HardwareError, MissingPackageError
from burnish.training.methods import qlora
from burnish.training.methods.four_bits import FourBitLinear


def test_weights_are_those_of_the_library_s_own_layer() -> None:
    import bitsandbytes

    torch.manual_seed(0)
    layer = nn.Linear(128, 96).requires_grad_(False)
    own = bitsandbytes.nn.Linear4bit(128, 96, quant_type="nf4")
    own.weight = bitsandbytes.nn.Params4bit(layer.weight.clone(), quant_type="nf4")
    own.to("cpu")

    found = FourBitLinear(layer).unpacked(torch.float32)

    expected = bitsandbytes.functional.dequantize_4bit(own.weight.data, own.weight.quant_state)
    torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-6)
    assert float((found - layer.weight).abs().mean() / layer.weight.abs().mean()) < 0.15


def test_without_the_package_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)

    with pytest.raises(MissingPackageError, match=r"BN401[\s\S]*burnish\[qlora\]"):
        qlora.base(nn.Sequential(nn.Linear(64, 64)))


def test_a_machine_the_package_has_no_code_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from bitsandbytes import functional

    def missing(*_: Any, **__: Any) -> None:
        raise NotImplementedError("no kernel is registered")

    monkeypatch.setattr(functional, "dequantize_4bit", missing)

    with pytest.raises(HardwareError, match=r"BN404[\s\S]*on cpu[\s\S]*no kernel[\s\S]*lora"):
        qlora.base(nn.Sequential(nn.Linear(64, 64)))
