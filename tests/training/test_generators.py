"""Models that write: what is learned, and what is written, equals one row at a time."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
import transformers

from burnish.errors import ModelTaskError
from burnish.recipe.training import LoraMethod
from burnish.tasks.causal_lm import CausalTask
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.seq2seq import Seq2SeqTask
from burnish.tasks.writing import WritingTask
from burnish.training import forward, generators
from burnish.training.generate import write
from burnish.training.hardware import Hardware
from burnish.training.methods import METHODS
from burnish.training.token_loss import scored, scored_logits, token_losses

TOLERANCE = 1e-5
VOCABULARY, END = 45, 3
PROMPTS, ANSWERS = (9, 9, 4, 7, 1, 5), (3, 3, 6, 1, 4, 2)
CAUSAL = CausalTask(max_input=64, max_output=8, prompt="{input}")
PAIR = Seq2SeqTask(max_input=64, max_output=8)
SIZES = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": END}
LAYERS = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = LAYERS | {"num_key_value_heads": 2, "intermediate_size": 48}
DECODERS: dict[str, Any] = {
    "llama": (transformers.LlamaConfig, GROUPED),
    "mistral": (transformers.MistralConfig, GROUPED | {"sliding_window": None}),
    "qwen2": (transformers.Qwen2Config, GROUPED),
    "qwen3": (transformers.Qwen3Config, GROUPED | {"head_dim": 8}),
    "smollm3": (transformers.SmolLM3Config, GROUPED),
    "gpt_neox": (transformers.GPTNeoXConfig, LAYERS | {"intermediate_size": 48}),
    "gpt2": (transformers.GPT2Config, {"n_embd": 32, "n_layer": 2, "n_head": 4}),
}


def decoder(kind: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    config, sizes = DECODERS[kind]
    model = transformers.AutoModelForCausalLM.from_config(config(**SIZES, **sizes, **changes))
    return model.eval()


def pair(kind: str) -> Any:
    torch.manual_seed(0)
    common = SIZES | {"decoder_start_token_id": 2}
    if kind in {"t5", "mt5"}:
        sizes = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
        config = {"t5": transformers.T5Config, "mt5": transformers.MT5Config}[kind]
        return transformers.AutoModelForSeq2SeqLM.from_config(config(**common, **sizes)).eval()
    if kind == "bart":
        sizes = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 2}
        sizes |= {f"{side}_{what}": n for side in ("encoder", "decoder")
                  for what, n in (("attention_heads", 4), ("ffn_dim", 48))}  # fmt: skip
        config = transformers.BartConfig(**common, **sizes, max_position_embeddings=64)
        model = transformers.AutoModelForSeq2SeqLM.from_config(config).eval()
        model.final_logits_bias.normal_()
        return model
    bert = transformers.BertConfig(**SIZES, **LAYERS, intermediate_size=48)
    both = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(bert, bert)
    both.decoder_start_token_id, both.pad_token_id, both.eos_token_id = 2, 0, END
    return transformers.EncoderDecoderModel(both).eval()


@pytest.fixture
def rows() -> Encoded:
    rng = np.random.default_rng(0)

    def ragged(lengths: tuple[int, ...], end: list[int]) -> Ragged:
        return Ragged.of([rng.integers(5, 45, n - len(end)).tolist() + end for n in lengths])

    return Encoded(
        ids=tuple(map(str, range(len(PROMPTS)))),
        inputs=ragged(PROMPTS, []),
        answers=ragged(ANSWERS, [END]),
        targets=np.zeros((len(PROMPTS), 0), np.float32),
        references=(("x",),) * len(PROMPTS),
        rows_cut=0,
        tokens_lost=0,
    )


def one_by_one(model: Any, rows: Encoded, task: WritingTask) -> torch.Tensor:
    """The plain way: transformers' own loss of one unpadded row, summed over its answer."""
    assert rows.answers is not None
    losses = []
    for at in range(len(rows)):
        prompt = torch.from_numpy(rows.inputs.row(at).astype(np.int64))[None]
        answer = torch.from_numpy(rows.answers.row(at).astype(np.int64))[None]
        if isinstance(task, CausalTask):
            labels = torch.cat([torch.full_like(prompt, -100), answer], dim=1)
            out = model(input_ids=torch.cat([prompt, answer], dim=1), labels=labels)
        else:
            start = torch.tensor([[2]])
            shifted = torch.cat([start, answer[:, :-1]], dim=1)
            logits = model(input_ids=prompt, decoder_input_ids=shifted).logits
            losses.append(F.cross_entropy(logits[0], answer[0], reduction="sum"))
            continue
        losses.append(out.loss * answer.shape[1])
    return torch.stack(losses)


def logits_of(model: Any, prompt: list[int], answer: list[int], task: WritingTask) -> torch.Tensor:
    """The logits of each token of one answer, by the model itself."""
    if isinstance(task, CausalTask):
        whole = torch.tensor([[*prompt, *answer]])
        return model(input_ids=whole).logits[0, len(prompt) - 1 : -1]
    shifted = torch.tensor([[2, *answer[:-1]]])
    return model(input_ids=torch.tensor([prompt]), decoder_input_ids=shifted).logits[0]


@torch.inference_mode()
def partly_foretold(model: Any, rows: Encoded, task: WritingTask) -> Encoded:
    """The same rows, with the model's first, fourth and eighth choices in the answers by turns."""
    assert rows.answers is not None
    answers = []
    for at in range(len(rows)):
        prompt, answer = rows.inputs.row(at).tolist(), rows.answers.row(at).tolist()
        for place in range(len(answer) - 1):
            order = logits_of(model, prompt, answer, task)[place].argsort(descending=True)
            answer[place] = int(order[(0, 3, 7)[place % 3]])
        answers.append(answer)
    return replace(rows, answers=Ragged.of(answers))


@torch.inference_mode()
def hits_one_by_one(model: Any, rows: Encoded, task: WritingTask) -> list[list[float]]:
    """The plain way: sort the logits of one unpadded row, and look for the right tokens."""
    assert rows.answers is not None
    hits = []
    for at in range(len(rows)):
        answer = rows.answers.row(at).tolist()
        logits = logits_of(model, rows.inputs.row(at).tolist(), answer, task)
        order = logits.argsort(dim=1, descending=True, stable=True).tolist()
        found = [one.index(token) for one, token in zip(order, answer, strict=True)]
        hits.append([float(sum(place < top for place in found)) for top in (1, 5)])
    return hits


def assert_judged_as_one_by_one(
    model: Any, rows: Encoded, task: WritingTask, *, packed: bool
) -> None:
    rows = partly_foretold(model, rows, task)
    batch = task.collate(rows, range(len(rows)), packed=packed, pad_id=0)
    learned = forward.outputs(model, batch, task)
    with torch.inference_mode():
        judged = forward.outputs(model, batch, task)

    expected = hits_one_by_one(model, rows, task)
    assert judged[:, 2:].tolist() == expected
    assert 0 < sum(first for first, _ in expected) < sum(five for _, five in expected)
    torch.testing.assert_close(judged[:, :2], learned[:, :2], atol=TOLERANCE, rtol=TOLERANCE)
    assert learned[:, 2:].isnan().all()


def gradients(model: Any, losses: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    (losses * torch.linspace(0.5, 1.5, len(losses))).sum().div(sum(ANSWERS)).backward()
    return {
        name: torch.zeros_like(weight) if weight.grad is None else weight.grad.clone()
        for name, weight in model.named_parameters()
    }


def assert_as_one_by_one(model: Any, rows: Encoded, task: WritingTask, *, packed: bool) -> None:
    expected = one_by_one(model, rows, task)
    wanted = gradients(model, expected)

    batch = task.collate(rows, range(len(rows)), packed=packed, pad_id=0)
    found = forward.outputs(model, batch, task)

    torch.testing.assert_close(found[:, 0], expected, atol=TOLERANCE, rtol=TOLERANCE)
    assert found[:, 1].tolist() == list(ANSWERS)
    for name, gradient in gradients(model, found[:, 0]).items():
        torch.testing.assert_close(
            gradient,
            wanted[name],
            atol=TOLERANCE,
            rtol=1e-4,
            msg=lambda told, name=name: f"{name}: {told}",
        )


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", sorted(generators.PACKABLE))
def test_a_decoder_learns_as_from_one_row_at_a_time(kind: str, packed: bool, rows: Encoded) -> None:
    assert_as_one_by_one(decoder(kind), rows, CAUSAL, packed=packed)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", sorted(generators.PACKABLE))
def test_a_decoder_hits_tokens_as_from_one_row_at_a_time(
    kind: str, packed: bool, rows: Encoded
) -> None:
    assert_judged_as_one_by_one(decoder(kind), rows, CAUSAL, packed=packed)


@pytest.mark.parametrize("kind", ["t5", "mt5", "bart", "bert-to-bert"])
def test_an_encoder_decoder_hits_tokens_as_from_one_row_at_a_time(kind: str, rows: Encoded) -> None:
    assert_judged_as_one_by_one(pair(kind), rows, PAIR, packed=False)


def with_instruction(rows: Encoded, tokens: int) -> Encoded:
    """The same rows, all behind one instruction."""
    told = [*range(5, 5 + tokens)]
    inputs = Ragged.of([told + rows.inputs.row(at).tolist() for at in range(len(rows))])
    return replace(rows, inputs=inputs)


@pytest.mark.parametrize("kind", sorted(generators.PACKABLE))
def test_what_all_rows_begin_with_is_computed_once(kind: str, rows: Encoded) -> None:
    told = with_instruction(rows, 11)

    batch = CAUSAL.collate(told, range(len(told)), packed=True, pad_id=0)

    assert batch["prefix"] == 11
    assert batch["lengths"].sum() == sum(PROMPTS) + sum(ANSWERS) - len(ANSWERS)
    assert_as_one_by_one(decoder(kind), told, CAUSAL, packed=True)


def test_the_same_prompt_in_every_row_keeps_its_last_token_in_each(rows: Encoded) -> None:
    same = replace(rows, inputs=Ragged.of([[7, 8, 9, 10]] * len(rows)))

    batch = CAUSAL.collate(same, range(len(same)), packed=True, pad_id=0)

    assert batch["prefix"] == 3
    assert_as_one_by_one(decoder("llama"), same, CAUSAL, packed=True)


@pytest.mark.parametrize("kind", ["t5", "mt5", "bart", "bert-to-bert"])
def test_an_encoder_decoder_learns_as_from_one_row_at_a_time(kind: str, rows: Encoded) -> None:
    assert_as_one_by_one(pair(kind), rows, PAIR, packed=False)


def test_a_scale_behind_the_output_layer_is_heeded(rows: Encoded) -> None:
    torch.manual_seed(0)
    config = transformers.GraniteConfig(**SIZES, **GROUPED, logits_scaling=4.0)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()

    assert_as_one_by_one(model, rows, CAUSAL, packed=False)
    assert_judged_as_one_by_one(model, rows, CAUSAL, packed=False)


@pytest.mark.parametrize("instruction", [0, 6])
def test_adapters_learn_packed_as_from_one_row_at_a_time(instruction: int, rows: Encoded) -> None:
    model = METHODS.get("lora").prepare(decoder("llama"), LoraMethod(rank=2)).eval()
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.1)

    assert_as_one_by_one(model, with_instruction(rows, instruction), CAUSAL, packed=True)


def test_only_what_is_learned_reaches_the_output_layer(rows: Encoded) -> None:
    model, seen = decoder("llama"), []
    model.lm_head.register_forward_hook(lambda _, _inputs, out: seen.append(out.numel()))

    batch = CAUSAL.collate(rows, range(len(rows)), packed=True, pad_id=0)
    forward.outputs(model, batch, CAUSAL)

    assert seen == [0]
    assert len(batch["at"]) == sum(ANSWERS)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
@pytest.mark.parametrize("biased", [True, False])
def test_token_losses_are_cross_entropy_with_its_gradients(chunk: int, biased: bool) -> None:
    torch.manual_seed(1)
    parts = [torch.randn(20, 8), torch.randn(30, 8), torch.randn(30)]
    hidden, weight, bias = (part.requires_grad_() for part in parts)
    targets, scale = torch.randint(30, (20,)), torch.rand(20)

    def slopes(losses: torch.Tensor) -> list[torch.Tensor]:
        moved = [hidden, weight, bias] if biased else [hidden, weight]
        return list(torch.autograd.grad((losses * scale).sum(), moved))

    own = bias if biased else None
    expected = F.cross_entropy(F.linear(hidden, weight, own), targets, reduction="none")
    found = token_losses(hidden, weight, own, targets, chunk=chunk)

    torch.testing.assert_close(found, expected)
    for got, wanted in zip(slopes(found), slopes(expected), strict=True):
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_a_hit_is_told_as_argmax_tells_it_and_ties_by_the_number_of_the_token(chunk: int) -> None:
    torch.manual_seed(2)
    # Whole numbers, so that many logits are the same.
    hidden, weight = (torch.randint(-1, 2, (size, 3)).float() for size in (200, 30))
    targets, logits = torch.randint(30, (200,)), hidden @ weight.T
    order = logits.argsort(dim=1, descending=True, stable=True)
    place = (order == targets[:, None]).int().argmax(dim=1)

    with torch.no_grad():
        found = scored(hidden, weight, None, targets, chunk=chunk)
        nothing = scored(hidden[:0], weight, None, targets[:0], chunk=chunk)

    assert found.hits is not None
    assert found.hits[:, 0].tolist() == (logits.argmax(dim=1) == targets).float().tolist()
    assert found.hits[:, 1].tolist() == (place < 5).float().tolist()
    assert 0 < found.hits[:, 0].sum() < found.hits[:, 1].sum() < len(targets)
    torch.testing.assert_close(found.losses, F.cross_entropy(logits, targets, reduction="none"))
    assert nothing.hits is not None
    assert (nothing.losses.shape, nothing.hits.shape) == ((0,), (0, 2))


def test_what_is_no_number_is_never_a_hit() -> None:
    logits = torch.full((3, 9), float("nan"))
    logits[1:, 3] = 1.0  # nor is what stands among such

    with torch.no_grad():
        hits = scored_logits(logits, torch.tensor([0, 0, 3])).hits

    assert hits is not None
    assert hits.sum() == 0


class Words:
    """Stands for a tokenizer: a word a token."""

    eos_token_id, pad_token_id = END, 0

    def decode(self, tokens: list[int], *, skip_special_tokens: bool) -> str:
        return " ".join(f"w{one}" for one in tokens if one > END or not skip_special_tokens)


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5", "bart", "bert-to-bert"])
def test_batches_write_what_one_row_at_a_time_writes(
    kind: str, beams: int, rows: Encoded, hardware: Hardware
) -> None:
    causal = kind in DECODERS
    model = decoder(kind) if causal else pair(kind)
    task = (CausalTask if causal else Seq2SeqTask)(max_input=64, max_output=8, beams=beams)
    for weight in model.parameters():  # small random weights would write the same for every row
        weight.data.mul_(1 if kind == "t5" else 6)

    together = write(model, rows, task, hardware, Words())
    alone = [write(model, rows.take([at]), task, hardware, Words())[0] for at in range(len(rows))]

    assert together == alone
    assert len({one.text for one in together}) > 1


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("kind", [*sorted(generators.PACKABLE), "gpt2"])
def test_words_are_foretold_from_states_in_one_piece(
    kind: str, beams: int, rows: Encoded, hardware: Hardware
) -> None:
    model, task = decoder(kind), CausalTask(max_input=64, max_output=4, beams=beams)
    seen: list[bool] = []
    words = model.get_output_embeddings()
    words.register_forward_hook(lambda _, given, __: seen.append(given[0].is_contiguous()))

    write(model, rows, task, hardware, Words())

    assert seen
    assert all(seen)
    assert not words._forward_pre_hooks


@pytest.mark.parametrize("instruction", [0, 5])
@pytest.mark.parametrize(
    "kind", [*sorted(generators.PACKABLE), "t5", "mt5", "bart", "bert-to-bert"]
)
def test_greedy_answers_are_those_of_generate(
    kind: str, instruction: int, rows: Encoded, hardware: Hardware
) -> None:
    causal = kind in DECODERS
    model = decoder(kind) if causal else pair(kind)
    task = (CausalTask if causal else Seq2SeqTask)(max_input=64, max_output=12)
    for weight in model.parameters():
        weight.data.mul_(1 if kind in {"t5", "mt5"} else 6)
    model.generation_config.forced_eos_token_id = None  # of BART, which tests of beams have
    asked = with_instruction(rows, instruction)

    found = write(model, asked, task, hardware, Words())

    config = transformers.GenerationConfig(
        max_new_tokens=12, do_sample=False, eos_token_id=END, pad_token_id=0,
        decoder_start_token_id=2,
    )  # fmt: skip
    for at, answer in enumerate(found):
        prompt = torch.from_numpy(asked.inputs.row(at).astype(np.int64))[None]
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), generation_config=config
        )
        tokens = made[0, prompt.shape[1] if causal else 1 :].tolist()
        assert answer.complete == (END in tokens)
        assert answer.text == Words().decode(tokens, skip_special_tokens=True)


def test_an_answer_that_hits_the_limit_is_not_complete(rows: Encoded, hardware: Hardware) -> None:
    model = decoder("llama")
    never = torch.full((VOCABULARY,), 0.0)
    never[END] = -1e9
    model.lm_head.bias = torch.nn.Parameter(never)

    endless = write(model, rows, CAUSAL, hardware, Words())
    model.lm_head.bias = torch.nn.Parameter(-never)
    silent = write(model, rows, CAUSAL, hardware, Words())

    assert {(one.complete, len(one.text.split())) for one in endless} == {(False, 8)}
    assert {(one.complete, one.text) for one in silent} == {(True, "")}


def test_an_unknown_decoder_is_padded_and_packing_on_is_refused() -> None:
    model = decoder("llama")
    model.config.model_type = "other"

    assert not forward.packs(model, CAUSAL, "auto")
    with pytest.raises(ModelTaskError, match=r"other[\s\S]*training.packing: auto"):
        forward.packs(model, CAUSAL, "on")
