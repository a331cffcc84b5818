from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from burnish.tasks.tokens import encode_texts, with_clean_up

UNKNOWN, PAD, START, END = "[UNK]", "[PAD]", "[CLS]", "[SEP]"


def bytes_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a token for each of a hundred characters, spaces kept."""
    vocabulary = {name: at for at, name in enumerate([PAD, UNKNOWN, START, END])}
    vocabulary |= {chr(at): len(vocabulary) + at - 32 for at in range(32, 127)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(START, 2), (END, 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token=UNKNOWN, pad_token=PAD, cls_token=START, sep_token=END
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-lrb- a -rrb- , b", "(a), b"),
        ("-LRB- a -RRB-", "(a)"),
        ("`` we '' do n't", '" we " don\'t'),
        ("it 's the user 's .", "it's the user's."),
        ("plain words", "plain words"),
    ],
)
def test_penn_treebank_marks_are_undone(text: str, expected: str) -> None:
    backend = with_clean_up(bytes_tokenizer(), ["ptb"]).backend_tokenizer

    assert backend.normalizer.normalize_str(text) == expected


@pytest.mark.parametrize(
    ("step", "text", "expected"),
    [("lowercase", "AbC", "abc"), ("nfkc", "ﬁ①", "fi1"), ("whitespace", " a \n\t b ", "a b")],
)
def test_other_steps_do_what_they_say(step: str, text: str, expected: str) -> None:
    backend = with_clean_up(bytes_tokenizer(), [step]).backend_tokenizer

    assert backend.normalizer.normalize_str(text) == expected


def test_the_clean_up_is_saved_with_the_tokenizer(tmp_path: Any) -> None:
    tokenizer = with_clean_up(bytes_tokenizer(), ["whitespace", "ptb"])
    tokenizer.model_max_length = 9
    tokenizer.save_pretrained(tmp_path)

    reopened = AutoTokenizer.from_pretrained(tmp_path)

    text = "-lrb-  a  -rrb-"
    assert reopened(text)["input_ids"] == tokenizer(text)["input_ids"]
    assert reopened(text)["input_ids"] == bytes_tokenizer()("(a)")["input_ids"]
    assert reopened.model_max_length == 9


def test_without_steps_the_tokenizer_is_left_alone() -> None:
    tokenizer = bytes_tokenizer()

    assert with_clean_up(tokenizer, []) is tokenizer


@given(st.lists(st.text("abc d", max_size=30), max_size=12), st.integers(3, 40))
def test_every_token_is_kept_or_counted_as_lost(texts: list[str], max_length: int) -> None:
    tokenizer = bytes_tokenizer()
    whole = [len(text) + 2 for text in texts]

    found, rows_cut, tokens_lost = encode_texts(texts, tokenizer, max_length=max_length)

    kept = found.lengths.tolist()
    assert kept == [min(length, max_length) for length in whole]
    assert tokens_lost == sum(whole) - sum(kept)
    assert rows_cut == sum(length > max_length for length in whole)
    assert len(found.tokens) == found.offsets[-1]


def test_a_cut_row_is_what_the_tokenizer_itself_would_cut() -> None:
    tokenizer = bytes_tokenizer()

    found, *_ = encode_texts(["abcdefgh"], tokenizer, max_length=5)

    expected = tokenizer("abcdefgh", truncation=True, max_length=5)["input_ids"]
    assert found.tokens.tolist() == expected
