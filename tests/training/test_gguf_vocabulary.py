"""A vocabulary is written for llama.cpp only where llama.cpp makes the same tokens of a text."""

from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from burnish.errors import ModelTaskError
from burnish.training.exports.gguf_vocabulary import read_vocabulary

TEXT = "the cat sat on the mat"
Maker = Callable[..., Any]


GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False)
BARE = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}@| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def cut_by(numbers: str) -> Any:
    pattern = Regex(SPLIT.replace("@", numbers))
    return pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, behavior="isolated"), BARE])


@pytest.mark.parametrize(
    ("pre", "whole_words", "name"),
    [
        (GPT2, False, "gpt-2"),
        (pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), GPT2]), False,
         "smollm"),
        (cut_by(""), False, "qwen2"),
        (cut_by("{1,3}"), True, "llama-bpe"),
    ],
)  # fmt: skip
def test_llama_cpps_name_for_how_texts_are_cut_is_found(
    pre: Any, whole_words: bool, name: str, byte_level: Maker
) -> None:
    found = read_vocabulary(byte_level(TEXT, pre=pre, ignore_merges=whole_words), 300)

    assert found.pre == name


def test_marks_that_the_tokenizer_puts_around_a_text_are_told(byte_level: Maker) -> None:
    tokenizer = byte_level(TEXT)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )

    found = read_vocabulary(tokenizer, 300)

    assert (found.add_bos, found.add_eos) == (True, True)


def words(_: Maker) -> Any:
    unknown, end = "<unk>", "</s>"
    backend = Tokenizer(models.WordLevel({unknown: 0, end: 1}, unk_token=unknown))
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=unknown, eos_token=end)


def lowered(byte_level: Maker) -> Any:
    made = byte_level(TEXT)
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    return made


@pytest.mark.parametrize(
    ("tokenizer", "told"),
    [
        (words, "not a byte-level BPE"),
        (lowered, r"changes texts before it cuts them \(Lowercase\)"),
        (lambda make: make(TEXT, pre=pre_tokenizers.ByteLevel(add_prefix_space=True)),
         "no name of llama"),
        (lambda make: make(TEXT, pre=cut_by("{1,3}")), "no name of llama.cpp"),
    ],
)  # fmt: skip
def test_a_tokenizer_of_which_llama_cpp_would_make_other_tokens_is_refused(
    tokenizer: Callable[[Maker], Any], told: str, byte_level: Maker
) -> None:
    with pytest.raises(ModelTaskError, match=told):
        read_vocabulary(tokenizer(byte_level), 300)
