import pytest
import torch

from burnish.errors import HardwareError
from burnish.recipe.training import Training
from burnish.training import hardware


def test_what_is_chosen_is_told_in_words() -> None:
    found = hardware.probe(Training())

    assert found.precision in {"fp32", "bf16"}
    assert any(f"{found.threads} thread" in note for note in found.notes)
    assert any(found.precision in note for note in found.notes)
    assert found.to_json()["notes"] == list(found.notes)


def test_without_bf16_instructions_fp32_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset({"avx2"}))

    found = hardware.probe(Training())

    assert found.precision == "fp32"


def test_products_of_a_run_in_fp32_have_the_precision_of_fp32() -> None:
    left, right = torch.rand(64, 384, dtype=torch.float64), torch.rand(384, 96, dtype=torch.float64)
    exact = left @ right

    with hardware.applied(hardware.probe(Training(precision="fp32"))):
        found = left.float() @ right.float()

    # Sums of 384 products in fp32 err by 1e-6 or so, in bf16 by more than 1e-3.
    assert (found - exact).abs().max() / exact.abs().max() < 1e-5


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16", "bf16"])
def test_bf16_is_used_where_the_processor_has_it_however_busy_it_is(
    flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "processor_flags", lambda: frozenset({"avx2", flag}))

    found = hardware.probe(Training())

    assert (found.precision, found.matmul) == ("bf16", "highest")
    assert any(flag in note for note in found.notes)


def test_a_processor_answers_in_fp32_whatever_it_trained_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    trained = hardware.probe(Training(precision="bf16"))

    answers = trained.for_answers()

    assert (trained.precision, answers.precision) == ("bf16", "fp32")
    assert answers.matmul == hardware.probe(Training(precision="fp32")).matmul
    assert trained.to_json()["answers"] == "fp32"


def test_the_recipe_has_the_last_word() -> None:
    found = hardware.probe(Training(precision="bf16", threads=1, tokens_per_batch=99))

    assert (found.precision, found.threads, found.tokens_per_batch) == ("bf16", 1, 99)


def test_more_threads_than_cores_is_told_with_the_number_that_works() -> None:
    with pytest.raises(HardwareError, match=rf"training\.threads: {hardware.cores()}"):
        hardware.probe(Training(threads=1000))


def test_settings_hold_for_a_block_and_are_put_back() -> None:
    before = torch.get_num_threads(), torch.get_float32_matmul_precision()
    asked = hardware.probe(Training(threads=1, precision="bf16"))

    with hardware.applied(asked):
        assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == (1, asked.matmul)

    assert (torch.get_num_threads(), torch.get_float32_matmul_precision()) == before
