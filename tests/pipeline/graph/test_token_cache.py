"""No text is tokenised twice, whatever seed or process asks; and never is a token another."""

import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from burnish.pipeline import token_cache
from burnish.pipeline.token_cache import CachedTokenizer
from burnish.tasks.encoded import Encoded

Inputs = Callable[..., dict[str, Any]]
Execute = Callable[..., dict[str, Any]]

CALLS: list[dict[str, Any]] = [
    {},
    {"verbose": False},
    {"add_special_tokens": False, "verbose": False},
    {"add_special_tokens": False, "return_offsets_mapping": True},
    {"truncation": True, "max_length": 3},
    {"truncation": False, "max_length": 3},
]
UNKNOWN, END = "?", "$"
TEXTS = ["word1 word2", "", "word3 other word1 word2 word5", "word1 word2", "wörd \ud800 é"]


def plain(words: int = 9) -> PreTrainedTokenizerFast:
    vocabulary = {
        name: at for at, name in enumerate((UNKNOWN, END, *(f"word{n}" for n in range(words))))
    }
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="$A $", special_tokens=[("$", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token=UNKNOWN, eos_token=END)


class Counting:
    """A tokenizer that remembers the texts it was asked for."""

    def __init__(self, words: int = 9) -> None:
        self._plain = plain(words)
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def __call__(self, texts: list[str], **options: Any) -> Any:
        self.asked += texts
        return self._plain(texts, **options)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call of any tokenizer of transformers is about."""
    counted: list[int] = []
    whole = PreTrainedTokenizerFast.__call__

    def count(self: Any, text: Any, *rest: Any, **options: Any) -> Any:
        counted.append(len(text))
        return whole(self, text, *rest, **options)

    monkeypatch.setattr(PreTrainedTokenizerFast, "__call__", count)
    return counted


def rows_of(encoded: dict[str, Encoded]) -> dict[str, tuple[Any, ...]]:
    return {
        row: (
            part.inputs.row(at).tolist(),
            None if part.answers is None else part.answers.row(at).tolist(),
            part.references[at],
        )
        for part in encoded.values()
        for at, row in enumerate(part.ids)
    }


def test_a_run_with_other_settings_of_training_finds_lengths_of_percentiles_again(
    inputs: Inputs, execute: Execute, calls: list[int]
) -> None:
    execute(["encoded"], inputs("causal-lm"))
    calls.clear()

    execute(["encoded"], inputs("causal-lm", settings={"method": "lora", "training.seed": 3}))

    assert calls == []


@pytest.mark.parametrize("kind", ["causal-lm", "seq2seq", "text-classification"])
def test_a_run_with_another_seed_tokenises_nothing(
    kind: str, inputs: Inputs, execute: Execute, calls: list[int]
) -> None:
    # A text that is cut at another length is another text, so the length is given here.
    fixed = {"task.max_input_length": 64} if kind != "text-classification" else {}
    first = execute(["encoded"], inputs(kind, settings=fixed))["encoded"]
    assert sum(calls) > 0
    calls.clear()

    other_training = execute(["encoded"], inputs(kind, settings=fixed | {"training.seed": 7}))[
        "encoded"
    ]
    other_split = execute(["encoded"], inputs(kind, settings=fixed, random_state=7))["encoded"]

    assert calls == []
    for name, part in first.items():
        again = other_training[name]
        assert again.ids == part.ids
        assert np.array_equal(again.inputs.tokens, part.inputs.tokens)
        assert (again.rows_cut, again.tokens_lost) == (part.rows_cut, part.tokens_lost)
    assert first["train"].ids != other_split["train"].ids
    assert rows_of(other_split) == rows_of(first)


def test_without_the_cache_tokens_are_the_same_and_nothing_is_written(
    inputs: Inputs, execute: Execute, calls: list[int], tmp_path: Path, monkeypatch: Any
) -> None:
    kept = execute(["encoded"], inputs("seq2seq"))["encoded"]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("BURNISH_TOKEN_CACHE", "off")
    calls.clear()

    by_switch = execute(["encoded", "tokenizer"], inputs("seq2seq"))
    monkeypatch.delenv("BURNISH_TOKEN_CACHE")
    by_node = execute(["encoded"], inputs("seq2seq"), overrides={"token_cache": None})

    assert calls
    assert isinstance(by_switch["tokenizer"], PreTrainedTokenizerFast)
    assert rows_of(by_switch["encoded"]) == rows_of(by_node["encoded"]) == rows_of(kept)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("options", CALLS)
def test_tokens_are_those_of_the_tokenizer_itself(options: dict[str, Any], tmp_path: Path) -> None:
    texts = TEXTS[:4]
    wanted = plain()(texts, **options)

    for _ in range(3):  # made, from memory, from disk
        cached = CachedTokenizer(plain(), tmp_path)
        for _again in range(2):
            found = cached(texts, **options)
            assert {name: list(map(list, rows)) for name, rows in found.items()} == {
                name: list(map(list, wanted[name])) for name in found
            }
        cached.keep()
    assert found.keys() >= {"input_ids"}


@settings(max_examples=25)
@given(st.lists(st.lists(st.text("ab 1é", max_size=12), max_size=8), max_size=5))
def test_no_text_is_asked_for_twice_in_any_order_of_calls(batches: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        counting = Counting()
        for batch in batches:
            cached = CachedTokenizer(counting, Path(folder))
            assert cached(batch)["input_ids"] == (plain()(batch)["input_ids"] if batch else [])
            cached.keep()

    assert len(counting.asked) == len(set(counting.asked))


def test_other_calls_go_to_the_tokenizer_as_they_are(tmp_path: Path) -> None:
    cached = CachedTokenizer(plain(), tmp_path)

    assert cached("word1")["input_ids"] == plain()("word1")["input_ids"]
    assert cached(["word1"], return_attention_mask=True)["attention_mask"] == [[1, 1]]
    assert (len(cached), cached.eos_token_id) == (len(plain()), 1)
    assert cached.decode([2, 3]) == plain().decode([2, 3])


def test_another_tokenizer_or_other_options_find_nothing(tmp_path: Path) -> None:
    first, other = Counting(), Counting(words=2)
    for tokenizer in (first, other):
        for options in ({}, {"add_special_tokens": False}):
            cached = CachedTokenizer(tokenizer, tmp_path)
            assert (
                cached(TEXTS[:1], **options)["input_ids"]
                == plain(9 if tokenizer is first else 2)(TEXTS[:1], **options)["input_ids"]
            )
            cached.keep()

    assert first.asked == other.asked == TEXTS[:1] * 2


def test_two_that_write_at_once_keep_what_both_learned(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)
    texts = [[f"word{at}", "word8", f"other{at % 2}"] for at in range(4)]

    def work(at: int) -> None:
        cached = CachedTokenizer(Counting(), tmp_path)
        barrier.wait()
        cached(texts[at])
        barrier.wait()
        cached.keep()

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counting = Counting()
    found = CachedTokenizer(counting, tmp_path)(sum(texts, []))["input_ids"]  # noqa: RUF017

    assert found == plain()(sum(texts, []))["input_ids"]  # noqa: RUF017
    assert counting.asked == []


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: raw[:0]])
def test_a_damaged_file_counts_as_absent_and_is_mended(
    damage: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    cached = CachedTokenizer(Counting(), tmp_path)
    cached(TEXTS[:4])
    cached.keep()
    (path,) = tmp_path.glob("*/*.npz")
    path.write_bytes(damage(path.read_bytes()))

    counting = Counting()
    again = CachedTokenizer(counting, tmp_path)
    assert again(TEXTS[:4])["input_ids"] == plain()(TEXTS[:4])["input_ids"]
    again.keep()

    assert len(counting.asked) == 3
    counting.asked.clear()
    CachedTokenizer(counting, tmp_path)(TEXTS[:4])
    assert counting.asked == []


def test_tokens_changed_on_disk_are_noticed(tmp_path: Path) -> None:
    cached = CachedTokenizer(plain(), tmp_path)
    cached(TEXTS[:4])
    cached.keep()
    (path,) = tmp_path.glob("*/*.npz")
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tokens.npy") + 160
    raw[at] ^= 0xFF
    path.write_bytes(raw)

    assert (
        CachedTokenizer(plain(), tmp_path)(TEXTS[:4])["input_ids"]
        == plain()(TEXTS[:4])["input_ids"]
    )


def test_what_was_unused_for_longest_goes_first_when_there_is_too_much(
    tmp_path: Path, monkeypatch: Any
) -> None:
    for at, age in ((0, 300), (1, 200), (2, 100)):
        cached = CachedTokenizer(Counting(), tmp_path)
        before = set(tmp_path.glob("*/*.npz"))
        cached([f"word{at}"])
        cached.keep()
        (fresh,) = set(tmp_path.glob("*/*.npz")) - before
        os.utime(fresh, (0, fresh.stat().st_mtime - age))
    size = fresh.stat().st_size
    monkeypatch.setattr(token_cache, "MOST_BYTES", 2 * size + 10)

    used = CachedTokenizer(Counting(), tmp_path)
    used(["word0"])  # the oldest, of use now
    used.keep()

    counting = Counting()
    CachedTokenizer(counting, tmp_path)(["word0", "word1", "word2"])
    assert counting.asked == ["word1"]


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cached = CachedTokenizer(plain(), tmp_path / "file")

    assert cached(TEXTS[:1])["input_ids"] == plain()(TEXTS[:1])["input_ids"]
    cached.keep()
