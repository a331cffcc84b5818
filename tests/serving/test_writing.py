"""Requests of one batch are written as transformers writes each by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers

from burnish.errors import RequestError
from burnish.recipe.task import PlainTextTask as PlainSection
from burnish.records import PlainSpace
from burnish.serving import writing
from burnish.serving.engine import Read
from burnish.serving.growing import TokenOdds, Write
from burnish.serving.prompts import Prompt, read_prompt
from burnish.serving.writing import write_together
from burnish.tasks.base import Writing
from burnish.tasks.plain_text import PlainTextTask

SIZES = {"vocab_size": 300, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
PROMPTS = ([5, 9, 40, 7], [8], [100, 101, 102, 103, 104, 105, 106, 107, 108])


def model(kind: str) -> Any:
    torch.manual_seed(3)
    if kind == "bart":  # begins and ends with tokens that its own configuration says
        config: Any = transformers.BartConfig(
            **SIZES, d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4,
            decoder_attention_heads=4, encoder_ffn_dim=48, decoder_ffn_dim=48,
            max_position_embeddings=64, decoder_start_token_id=2, forced_eos_token_id=2,
            init_std=0.5,
        )  # fmt: skip
        return transformers.BartForConditionalGeneration(config).eval()
    if kind == "opt":  # is not among the decoders that are stepped by our own loop
        config = transformers.OPTConfig(
            **SIZES, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=64, word_embed_proj_dim=32, init_std=0.5,
        )  # fmt: skip
        return transformers.OPTForCausalLM(config).eval()
    config = transformers.LlamaConfig(
        **SIZES, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def read(prompt: list[int], limit: int, **settings: Any) -> Read:
    asked = Write(text="-", raw=True, **settings)
    rows = Prompt(np.array(prompt, np.int32), limit)
    return Read(asked=asked, rows=rows, tokens=len(prompt), cut_tokens=0, cost=limit)


@pytest.fixture(scope="module")
def tokenizer(byte_level: Callable[..., Any]) -> Any:
    return byte_level("the cat sat on the mat")


@pytest.mark.parametrize("kind", ["llama", "opt", "bart"])
@torch.inference_mode()
def test_the_likeliest_tokens_are_those_of_transformers(kind: str, tokenizer: Any) -> None:
    base, limits = model(kind), (12, 5, 20)
    reads = [read(prompt, limit) for prompt, limit in zip(PROMPTS, limits, strict=True)]

    found = write_together(base, reads, Writing(max_new_tokens=1), tokenizer)

    for prompt, limit, one in zip(PROMPTS, limits, found, strict=True):
        if kind == "bart" and limit != max(limits):
            continue  # its last token is forced at the limit of the batch
        ids = torch.tensor([prompt])
        written = base.generate(ids, max_new_tokens=limit, do_sample=False, pad_token_id=0)[0]
        text = tokenizer.decode(
            written[1 if kind == "bart" else len(prompt) :], skip_special_tokens=True
        )
        assert one.text == text
        assert one.written_tokens <= limit


@pytest.mark.parametrize("kind", ["llama", "opt"])
@torch.inference_mode()
def test_a_text_that_nobody_waits_for_is_not_gone_on_with(kind: str, tokenizer: Any) -> None:
    left, stays = read(PROMPTS[0], 40), read(PROMPTS[1], 40)
    pieces: list[str] = []

    def emit(text: str) -> None:
        pieces.append(text)
        left.asked.abandoned = len(pieces) > 2

    left.asked.emit = emit
    found = write_together(model(kind), [left, stays], Writing(max_new_tokens=1), tokenizer)

    assert found[0].written_tokens < 20
    assert found[1].written_tokens == 40


@torch.inference_mode()
def test_drawn_tokens_follow_their_probabilities(tokenizer: Any) -> None:
    base, temperature = model("llama"), 0.7
    logits = base(torch.tensor([PROMPTS[0]])).logits[0, -1]
    likely = (logits / temperature).softmax(dim=-1)
    texts = [tokenizer.decode([one], skip_special_tokens=True) for one in range(300)]
    expected = texts[int(likely.argmax())]
    share = float(likely[torch.tensor([text == expected for text in texts])].sum())

    drawn = 0
    for start in range(0, 400, 40):
        reads = [
            read(PROMPTS[0], 1, temperature=temperature, seed=seed)
            for seed in range(start, start + 40)
        ]
        found = write_together(base, reads, Writing(max_new_tokens=1), tokenizer)
        drawn += sum(one.text == expected for one in found)

    assert abs(drawn / 400 - share) < 5 * (share * (1 - share) / 400) ** 0.5


def test_a_text_is_not_begun_twice(tokenizer: Any) -> None:
    asked = read(PROMPTS[0], 2)
    asked.asked.begun = True

    with pytest.raises(RuntimeError, match="not told twice"):
        write_together(model("llama"), [asked], Writing(max_new_tokens=1), tokenizer)


@torch.inference_mode()
def test_the_odds_of_a_prompt_are_not_computed_for_a_client_that_left(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, asked = model("llama"), []

    def odds(_: Any, tokens: Any, count: int, __: Any) -> list[TokenOdds]:
        asked.append(len(tokens))
        return [TokenOdds(text="", logprob=0.0, top={})] * len(tokens)

    monkeypatch.setattr(writing, "prompt_odds", odds)
    reads = [read(prompt, 3, echo=True, logprobs=1) for prompt in PROMPTS]
    reads[0].asked.abandoned = True
    write_together(base, reads, Writing(max_new_tokens=9), tokenizer)

    assert asked == [len(prompt) for prompt in PROMPTS[1:]]


def test_a_prompt_of_no_tokens_is_refused() -> None:
    vocabulary = {"<pad>": 0, "</s>": 1, "word": 2}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=next(iter(vocabulary))))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    words = transformers.PreTrainedTokenizerFast(tokenizer_object=backend)
    task = PlainTextTask.from_recipe(PlainSection(max_length=32), PlainSpace())

    with pytest.raises(RequestError, match="no tokens"):
        read_prompt(Write(text=" ", raw=True), task, words, room=None, encode=pytest.fail, number=1)
