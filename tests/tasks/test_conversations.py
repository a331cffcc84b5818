"""Conversations as prompts: the model's own template, and what goes when they are too long."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from burnish.data.conversation import MESSAGES
from burnish.errors import ModelTaskError
from burnish.tasks.causal_lm import CausalTask
from burnish.tasks.lengths import cut_conversations, cut_texts

MARKS = ("[UNK]", "[END]", "<system>", "<user>", "<assistant>")
WORDS = tuple("abcdefghijklmnop")
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools') }}{% endif %}"
    "<{{ m.role }}> {{ m.content }} {% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture
def tokenizer() -> Any:
    vocabulary = {name: at for at, name in enumerate(MARKS + WORDS)}
    unknown, end = MARKS[:2]
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=unknown, eos_token=end)
    made.chat_template = TEMPLATE
    return made


def talk(*messages: str) -> list[dict[str, str]]:
    return [dict(zip(("role", "content"), one.split(": "), strict=True)) for one in messages]


def rows(*conversations: list[dict[str, str]] | None, texts: tuple[str, ...] = ()) -> pl.DataFrame:
    ids = [str(at) for at in range(len(conversations))]
    return pl.DataFrame(
        {
            "id": ids,
            "text": list(texts) or ids,
            "labels": [["p"]] * len(ids),
            "turns": pl.Series(conversations, dtype=MESSAGES),
        }
    )


def prompts(task: CausalTask, asked: pl.DataFrame, tokenizer: Any) -> list[str]:
    encoded = task.encode(asked, tokenizer)
    return [tokenizer.decode(encoded.inputs.row(at)) for at in range(len(encoded))]


def test_every_turn_is_in_the_prompt_behind_its_mark(tokenizer: Any) -> None:
    task = CausalTask(max_input=64, max_output=8)
    asked = rows(talk("user: a b", "assistant: c", "user: d"), None, texts=("-", "e f"))

    found = prompts(task, asked, tokenizer)

    assert found == ["<user> a b <assistant> c <user> d <assistant>", "<user> e f <assistant>"]


def test_a_conversation_keeps_its_own_system_message(tokenizer: Any) -> None:
    task = CausalTask(max_input=64, max_output=8, system="o")
    asked = rows(talk("user: a"), talk("system: n", "user: a"))

    found = prompts(task, asked, tokenizer)

    assert found == ["<system> o <user> a <assistant>", "<system> n <user> a <assistant>"]


def test_a_plain_template_takes_the_transcript(tokenizer: Any) -> None:
    task = CausalTask(max_input=64, max_output=8, prompt="o {input}")

    found = prompts(task, rows(talk("user: a", "assistant: b"), texts=("a b",)), tokenizer)

    assert found == ["o a b"]


def test_the_oldest_turns_of_a_long_conversation_go_and_are_counted(tokenizer: Any) -> None:
    long = talk("system: n", "user: a b c", "assistant: d", "user: e f", "assistant: g", "user: h")
    task = CausalTask(max_input=6, max_output=8)

    encoded = task.encode(rows(long, talk("user: a")), tokenizer)

    assert tokenizer.decode(encoded.inputs.row(0)) == (
        "<system> n <user> e f <assistant> g <user> h <assistant>"
    )
    assert (encoded.rows_cut, encoded.tokens_lost) == (1, 4)


@pytest.mark.parametrize("limit", range(1, 12))
def test_no_conversation_is_longer_than_the_limit(limit: int, tokenizer: Any) -> None:
    whole = talk("user: a b c", "assistant: d", "user: e f", "assistant: g", "user: h i j k")

    (short,), lost = cut_conversations([whole], tokenizer, limit)

    left = sum(len(one["content"].split()) for one in short)
    assert left <= limit
    assert left + lost[0] == 11
    assert short[0]["role"] == short[-1]["role"] == "user"
    assert whole[-1]["content"].startswith(short[-1]["content"])


def test_lengths_are_measured_without_the_marks_of_the_template(tokenizer: Any) -> None:
    task = CausalTask(max_input="p100", max_output=8)

    measured = task.measure(rows(talk("user: a b", "assistant: c", "user: d")), tokenizer)

    assert measured.max_input == 4
    assert not np.any(cut_conversations([talk("user: a b c d")], tokenizer, 4)[1])


def test_a_template_that_refuses_a_conversation_is_named(tokenizer: Any) -> None:
    task = CausalTask(max_input=64, max_output=8)

    with pytest.raises(ModelTaskError, match="no tools"):
        task.encode(rows(talk("user: a", "tool: b")), tokenizer)


@pytest.fixture(scope="module")
def of_bytes() -> Any:
    """A tokenizer with a token for each byte, as those of GPT-2's kind have for what is rare."""
    end = "<end>"
    signs = [*sorted(pre_tokenizers.ByteLevel.alphabet()), end]
    backend = Tokenizer(models.BPE(vocab={sign: at for at, sign in enumerate(signs)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end)


@given(text=st.text("aé✓😀 ", min_size=1, max_size=8), limit=st.integers(1, 12))
def test_what_is_cut_is_counted_to_the_token_where_a_character_has_several(
    text: str, limit: int, of_bytes: Any
) -> None:
    (short,), (lost,) = cut_texts([text], of_bytes, limit)

    assert text.startswith(short)
    assert len(short.encode()) + lost == len(text.encode())
    assert limit - 3 <= len(short.encode()) <= limit or not lost


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("texts", [("", "a"), ("a", "")])
def test_an_answer_to_an_empty_text_is_foretold_from_its_own_row(
    texts: tuple[str, str], packed: bool, of_bytes: Any
) -> None:
    task = CausalTask(max_input=64, max_output=8, prompt="{input}")
    asked = pl.DataFrame({"id": ["0", "1"], "text": texts, "labels": [["p"], ["q"]]})

    encoded = task.encode(asked, of_bytes)
    made = task.collate(encoded, [0, 1], packed=packed, pad_id=0)

    seen = made["input_ids"].flatten()[made["at"]].tolist()
    told = [of_bytes.decode(one) for one in zip(seen, made["next"].tolist(), strict=True)]
    firsts = [text or "<end>" for text in texts]
    assert told == [f"{firsts[0]} ", " p", "p<end>", f"{firsts[1]} ", " q", "q<end>"]


def test_a_template_that_fails_on_a_conversation_is_named_too(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages[0].content + 1 }}"
    with pytest.raises(ModelTaskError, match="the model's chat template refuses a conversation"):
        CausalTask(max_input=64, max_output=8).encode(rows(talk("user: a")), tokenizer)
