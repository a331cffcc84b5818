"""Weights in 4 or 8 bits: what is answered, saved and merged is the model that was trained."""

import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from burnish.errors import ModelFormatError, ModelTaskError
from burnish.files import read_json, write_json
from burnish.recipe.recipe import Recipe
from burnish.recipe.training import LoraMethod, QloraMethod
from burnish.tasks.causal_lm import CausalTask
from burnish.tasks.classification import ClassificationTask
from burnish.tasks.encoded import Encoded, Ragged
from burnish.training import forward
from burnish.training.exports import merged
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS, lora, qlora
from burnish.training.methods.eight_bits import EightBitLinear
from burnish.training.methods.four_bits import FourBitLinear
from burnish.training.methods.packed import PackedLinear
from burnish.training.methods.tables import HalfEmbedding, HalfLinear
from burnish.training.modelfolder import Answerer, save_model_folder
from burnish.training.models import load_model, load_tokenizer, open_adapter
from burnish.training.predict import raw_outputs
from burnish.training.sources import ModelSource, resolve
from burnish.training.weights import weight_count, weight_mb

MERGED = 1e-5  # most that a logit of the merged model may differ, in fp32
CAUSAL = CausalTask(max_input=64, max_output=8, prompt="{input}")
Fit = Callable[..., FitResult]
FORMS: dict[int, type[PackedLinear]] = {4: FourBitLinear, 8: EightBitLinear}


@pytest.fixture(params=FORMS)
def bits(request: pytest.FixtureRequest) -> int:
    """The sizes of a frozen weight."""
    size: int = request.param
    return size


def llama(**changes: Any) -> Any:
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 64}
    config = transformers.LlamaConfig(
        **sizes | heads | {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3} | changes
    )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def moved(model: Any) -> Any:
    """Return the model with adapters that say something."""
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(weight, std=0.1)
    return model.eval()


@pytest.fixture
def sentences() -> Encoded:
    """Eight rows whose answers follow from their inputs."""
    rng = np.random.default_rng(0)
    inputs = [rng.integers(5, 40, 3 + at).tolist() for at in range(8)]
    return Encoded(
        ids=tuple(map(str, range(8))),
        inputs=Ragged.of(inputs),
        answers=Ragged.of([[row[0] + 1, row[1] + 1, 3] for row in inputs]),
        targets=np.zeros((8, 0), np.float32),
        references=(("x",),) * 8,
        rows_cut=0,
        tokens_lost=0,
    )


def frozen(model: Any) -> dict[str, torch.Tensor]:
    """Return copies of all that must stay: packed weights with their scales, and the rest."""
    kept = {name: part.clone() for name, part in model.named_buffers()}
    own = model.named_parameters()
    return kept | {name: part.detach().clone() for name, part in own if not part.requires_grad}


def train(model: Any, rows: Encoded, *, steps: int) -> list[float]:
    """Return the loss a token of each step."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer, losses = torch.optim.AdamW(weights, lr=5e-3), []
    for _ in range(steps):
        batch = CAUSAL.collate(rows, range(len(rows)), packed=True, pad_id=0)
        summed = forward.outputs(model, batch, CAUSAL).sum(dim=0)
        optimizer.zero_grad()
        (summed[0] / summed[1]).backward()
        optimizer.step()
        losses.append(float((summed[0] / summed[1]).detach()))
    return losses


def test_the_body_is_held_in_few_bits_and_the_tables_of_words_in_bf16(bits: int) -> None:
    options = QloraMethod(rank=2, bits=bits)
    model = METHODS.get("qlora").prepare(llama(tie_word_embeddings=True), options)

    kinds = [type(part) for part in model.modules()]
    assert kinds.count(FORMS[bits]) == 2 * 7
    base = model.get_base_model()
    assert type(base.lm_head) is HalfLinear
    assert type(base.model.embed_tokens) is HalfEmbedding
    assert base.lm_head.weight is base.model.embed_tokens.weight
    assert base.lm_head.weight.dtype == torch.bfloat16


def test_layers_that_get_no_adapter_are_held_in_few_bits_too(bits: int) -> None:
    model = qlora.prepare(llama(), QloraMethod(rank=2, bits=bits, targets=("q_proj",)))

    assert sum(type(part) is FORMS[bits] for part in model.modules()) == 2 * 7
    assert sum("lora_A" in name for name, _ in model.named_parameters()) == 2


@pytest.mark.parametrize(("bits", "least", "most"), [(4, 0.125, 0.16), (8, 0.25, 0.27)])
def test_weights_are_counted_whole_and_their_memory_as_it_is(
    bits: int, least: float, most: float
) -> None:
    sizes = {"hidden_size": 256, "intermediate_size": 512, "tie_word_embeddings": True}
    plain = METHODS.get("lora").prepare(llama(**sizes), LoraMethod(rank=2))
    packed = METHODS.get("qlora").prepare(llama(**sizes), QloraMethod(rank=2, bits=bits))

    (whole, adapters), (held, same) = weight_mb(plain), weight_mb(packed)
    assert weight_count(packed) == weight_count(plain)
    assert adapters == same > 0
    assert least < held / whole < most  # of 32 bits, with scales, and the table in 16


def test_training_changes_adapters_alone(bits: int, sentences: Encoded) -> None:
    model = qlora.prepare(llama(), QloraMethod(rank=2, bits=bits))
    before = frozen(model)

    losses = train(model, sentences, steps=3)

    assert losses[-1] < losses[0]
    for name, part in frozen(model).items():
        assert torch.equal(part, before[name]), name
    assert len(before) > 2 * 7 * {4: 5, 8: 2}[bits]


def test_the_loss_falls_as_that_of_whole_weights(bits: int, sentences: Encoded) -> None:
    last = {}
    for options in (LoraMethod(rank=8), QloraMethod(rank=8, bits=bits)):
        torch.manual_seed(3)
        model = METHODS.get(options.kind).prepare(llama(initializer_range=0.1), options)
        losses = train(model, sentences, steps=40)
        assert losses[-1] < losses[0] / 10
        last[options.kind] = losses[-1]

    assert last["qlora"] == pytest.approx(last["lora"], rel={4: 0.05, 8: 0.01}[bits])


@pytest.mark.parametrize("packed", [True, False])
def test_rows_learn_together_as_one_at_a_time(packed: bool, bits: int, sentences: Encoded) -> None:
    model = moved(qlora.prepare(llama(), QloraMethod(rank=2, bits=bits)))

    def learned(rows: list[list[int]]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        weights = [weight for weight in model.parameters() if weight.requires_grad]
        batches = [CAUSAL.collate(sentences, part, packed=packed, pad_id=0) for part in rows]
        losses, tokens = torch.cat(
            [forward.outputs(model, batch, CAUSAL)[:, :2] for batch in batches]
        ).T
        # What training learns from: the mean over the tokens of a step.
        return losses, list(torch.autograd.grad(losses.sum() / tokens.sum(), weights))

    together, gradients = learned([list(range(8))])
    alone, wanted = learned([[at] for at in range(8)])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    for got, expected in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def seq2seq(kind: str) -> Any:
    torch.manual_seed(0)
    common = {"vocab_size": 45, "pad_token_id": 0, "eos_token_id": 3, "decoder_start_token_id": 2}
    if kind == "t5":
        sizes = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
        config = transformers.T5Config(**common, **sizes)
    else:
        sizes = {"d_model": 64, "encoder_layers": 1, "decoder_layers": 1}
        ends = {f"{side}_ffn_dim": 64 for side in ("encoder", "decoder")}
        config = transformers.BartConfig(**common, **sizes, **ends)
    return transformers.AutoModelForSeq2SeqLM.from_config(config).eval()


@pytest.mark.parametrize("kind", ["llama", "t5", "bart"])
def test_the_merged_model_writes_and_scores_as_the_unmerged_one(kind: str, bits: int) -> None:
    options = QloraMethod(rank=4, bits=bits)
    model = moved(qlora.prepare(llama() if kind == "llama" else seq2seq(kind), options))
    ids = torch.randint(4, 45, (3, 7))
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    given["attention_mask"][1, :3] = 0
    decoded = {} if kind == "llama" else {"decoder_input_ids": ids[:, :2]}

    whole = merged.without_adapters(model)

    kinds = {type(part) for part in whole.modules()}
    assert not kinds & {FORMS[bits], HalfLinear, HalfEmbedding}
    assert {weight.dtype for weight in whole.parameters()} == {torch.float32}
    with torch.no_grad():
        found, expected = whole(**given, **decoded).logits, model(**given, **decoded).logits
        torch.testing.assert_close(found, expected, atol=MERGED, rtol=0)
        written = [one.generate(**given, max_new_tokens=6, num_beams=2) for one in (whole, model)]
    assert torch.equal(*written)


def test_a_classifier_trained_saved_and_opened_again_answers_the_same(
    bits: int, run: Fit, make_recipe: Callable[..., Recipe], tiny: ModelSource, choose: Encoded,
    hardware: Hardware, tmp_path: Path,
) -> None:  # fmt: skip
    method = {"kind": "qlora", "rank": 4, "bits": bits}
    result = run(make_recipe(method=method, epochs=4.0, learning_rate=0.01))
    task, folder = result.task, tmp_path / "model"
    meta = {"name": "colours", "base_model": tiny.reference, "method": "qlora"}
    expected = raw_outputs(result.model, choose, task, hardware)
    save_model_folder(folder, result.model, load_tokenizer(tiny, task), task, meta=meta)

    opened = Answerer.open(folder, hardware=hardware)
    start = load_model(resolve(str(folder)), task)
    merged.write(opened, meta, tmp_path / "merged")
    exported = Answerer.open(tmp_path / "merged", hardware=hardware)

    assert (folder / "adapter_model.safetensors").is_file()
    assert sum(type(part) is FORMS[bits] for part in opened.model.modules()) == 3 * 6
    told = [read_json(one / "burnish.json")["base_bits"] for one in (folder, tmp_path / "merged")]
    assert told == [bits, None]
    assert type(exported.model) is type(start) is transformers.BertForSequenceClassification
    for model, most in ((opened.model, 1e-6), (start, MERGED), (exported.model, MERGED)):
        for packed in (True, False):
            found = raw_outputs(model, choose, task, hardware, packed=packed)
            np.testing.assert_allclose(found, expected, atol=most)


def test_an_adapter_that_does_not_tell_its_bits_was_trained_beside_4(
    tiny: ModelSource, task: ClassificationTask, tmp_path: Path
) -> None:
    folder, meta = tmp_path / "model", {"method": "qlora", "base_model": tiny.reference}
    model = qlora.prepare(load_model(tiny, task), QloraMethod(rank=2))
    save_model_folder(folder, model, load_tokenizer(tiny, task), task, meta=meta)
    facts = read_json(folder / "burnish.json")
    del facts["base_bits"]
    write_json(folder / "burnish.json", facts)

    opened = open_adapter(load_model(tiny, task), folder)

    assert sum(type(part) is FourBitLinear for part in opened.modules()) == 3 * 6


@pytest.mark.parametrize("told", [6, "8", [8]])
def test_bits_that_nobody_holds_weights_in_are_refused_when_an_adapter_is_opened(
    told: Any, tiny: ModelSource, task: ClassificationTask, tmp_path: Path
) -> None:
    lora.save_adapter(lora.prepare(load_model(tiny, task), LoraMethod(rank=2)), tmp_path)
    write_json(tmp_path / "burnish.json", {"method": "qlora", "base_bits": told})

    with pytest.raises(ModelFormatError, match="BN303"):
        open_adapter(load_model(tiny, task), tmp_path)


def test_what_a_run_reports_counts_packed_weights_as_they_are(
    bits: int, run: Fit, make_recipe: Callable[..., Recipe]
) -> None:
    found = [
        run(make_recipe(method=method | {"rank": 4}), choose=None, folder=None)
        for method in ({"kind": "lora"}, {"kind": "qlora", "bits": bits})
    ]

    whole, packed = found
    assert packed.total_parameters == whole.total_parameters
    assert packed.trainable_parameters == whole.trainable_parameters
    assert weight_mb(packed.model)[0] < weight_mb(whole.model)[0]
    assert packed.weights_mb == weight_mb(packed.model)
    assert packed.cost()["frozen_weights_mb"] == round(packed.weights_mb[0], 1)


def test_adapters_saved_without_burnish_json_are_those_of_whole_weights(
    tiny: ModelSource, task: ClassificationTask, tmp_path: Path, choose: Encoded, hardware: Hardware
) -> None:
    model = moved(lora.prepare(load_model(tiny, task), LoraMethod(rank=2)))
    lora.save_adapter(model, tmp_path)

    opened = open_adapter(load_model(tiny, task), tmp_path)

    assert not any(isinstance(part, PackedLinear) for part in opened.modules())
    found, expected = (raw_outputs(one, choose, task, hardware) for one in (opened, model))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.filterwarnings("ignore:MatMul8bitLt")  # of the library, about its own rounding
def test_transformers_and_peft_open_base_and_adapter_with_the_same_answers(
    bits: int, tmp_path: Path
) -> None:
    from bitsandbytes.functional import has_avx512bf16

    llama().to(torch.bfloat16).save_pretrained(tmp_path / "base")  # as most are published
    start = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype="float32")
    model = moved(qlora.prepare(start, QloraMethod(rank=4, bits=bits)))
    lora.save_adapter(model, tmp_path / "adapter")
    four = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
        "bnb_4bit_compute_dtype": torch.float32,
    }
    form = transformers.BitsAndBytesConfig(**{4: four, 8: {"load_in_8bit": True}}[bits])
    ids = torch.randint(4, 45, (2, 7))

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # inside peft, about transformers
        from peft import PeftModel

        theirs = transformers.AutoModelForCausalLM.from_pretrained(
            tmp_path / "base", quantization_config=form, dtype="float32", device_map="cpu"
        )
        expected = PeftModel.from_pretrained(theirs, tmp_path / "adapter").eval()(input_ids=ids)
        found = model(input_ids=ids)

    # There the library's own layer answers in bf16; in 8 bits it rounds its inputs everywhere.
    most = 0.02 if has_avx512bf16() or bits == 8 else 1e-5
    torch.testing.assert_close(found.logits, expected.logits, atol=most, rtol=0)


def test_a_copy_computes_as_the_model_it_was_made_of(bits: int) -> None:
    model = moved(qlora.prepare(llama(), QloraMethod(rank=2, bits=bits)))
    ids = torch.randint(4, 45, (2, 6))

    with torch.no_grad():
        assert torch.equal(deepcopy(model)(input_ids=ids).logits, model(input_ids=ids).logits)


@pytest.mark.parametrize("name", ["lora", "qlora"])
def test_an_architecture_without_linear_layers_is_refused(name: str) -> None:
    config = transformers.GPT2Config(n_embd=32, n_layer=0, n_head=4, vocab_size=40)
    model = transformers.AutoModelForCausalLM.from_config(config)

    with pytest.raises(ModelTaskError, match=r"'gpt2' has no linear layers[\s\S]*method: full"):
        METHODS.get(name).prepare(model, {"lora": LoraMethod, "qlora": QloraMethod}[name]())


def test_weights_that_lie_the_other_way_round_are_refused() -> None:
    config = transformers.GPT2Config(n_embd=32, n_layer=1, n_head=4, vocab_size=40)
    model = transformers.AutoModelForCausalLM.from_config(config)

    with pytest.raises(ModelTaskError, match=r"\(in, out\)[\s\S]*method: lora"):
        qlora.prepare(model, QloraMethod())
