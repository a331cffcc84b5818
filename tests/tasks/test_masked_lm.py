"""Hidden words: each is foretold once in evaluation, and others in each epoch of training."""

import re
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import ModelTaskError
from burnish.recipe.task import MaskedTask as Section
from burnish.recipe.task import Masking
from burnish.records import PlainSpace
from burnish.tasks.encoded import Encoded, Ragged
from burnish.tasks.masked_lm import MaskedTask
from burnish.tasks.masks import by_lot, in_turn, word_counts
from burnish.tasks.words import pieces_of, read_texts

START, END, MASK, UNKNOWN = 1, 2, 3, 4
SPECIAL = {"[CLS]": START, "[SEP]": END, "[MASK]": MASK, "?": UNKNOWN}
TEXTS = st.lists(st.text(alphabet="ab ,.", max_size=40), min_size=1, max_size=8)


class Halves:
    """Stands in for a tokenizer: a word is two tokens at most, its first letter and the rest."""

    mask_token_id = MASK
    model_max_length = 40
    all_special_ids = (START, END, MASK, UNKNOWN)

    def __call__(self, texts: list[str], **_: Any) -> dict[str, Any]:
        read = [self._read(text) for text in texts]
        return {"input_ids": [one[0] for one in read], "offset_mapping": [one[1] for one in read]}

    def _read(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        spans = []
        for match in re.finditer(r"\[MASK\]|\w+|[^\w\s]", text):
            start, end = match.span()
            cut = end if match[0] == "[MASK]" else start + 1
            spans += [(start, cut)] + [(cut, end)] * (cut < end)
        ids = [SPECIAL.get(text[a:b], 10 + sum(map(ord, text[a:b]))) for a, b in spans]
        return [START, *ids, END], [(0, 0), *spans, (0, 0)]

    def __len__(self) -> int:
        return 5000


def rows(*texts: str) -> pl.DataFrame:
    ids = [f"row{at}" for at in range(len(texts))]
    return pl.DataFrame({"id": ids, "text": texts}, schema={"id": pl.String, "text": pl.String})


def task(max_length: int = 40, **masking: Any) -> MaskedTask:
    section = Section(max_length=max_length, masking=Masking(**masking))
    return MaskedTask.from_recipe(section, PlainSpace()).measure(rows("a"), Halves())


def whole(encoded: Encoded, row: int) -> list[int]:
    """Return a row as it was written."""
    assert encoded.places is not None
    assert encoded.answers is not None
    tokens = encoded.inputs.row(row).copy()
    tokens[encoded.places.row(row)] = encoded.answers.row(row)
    return tokens.tolist()


@given(TEXTS, st.integers(8, 20))
def test_every_token_of_a_word_is_foretold_once(texts: list[str], longest: int) -> None:
    found = task(longest).encode(rows(*texts), Halves())

    assert found.places is not None
    assert found.answers is not None
    assert found.lengths.max(initial=0) <= longest
    for at, text in enumerate(texts):
        mine = [i for i, name in enumerate(found.ids) if name == f"row{at}"]
        foretold = sorted(token for i in mine for token in found.answers.row(i).tolist())
        (ids,) = Halves()([text])["input_ids"]
        assert foretold == sorted(ids[1:-1])
        for i in mine:
            assert (found.inputs.row(i)[found.places.row(i)] == MASK).all()


@given(TEXTS)
def test_turns_are_those_of_the_text_alone(texts: list[str]) -> None:
    alone = [task().encode(rows(text), Halves()) for text in texts]
    together = task().encode(rows(*texts), Halves())

    tokens = [one.inputs.row(at).tolist() for one in alone for at in range(len(one))]
    assert [together.inputs.row(at).tolist() for at in range(len(together))] == tokens


@given(TEXTS, st.integers(0, 9), st.integers(0, 3))
def test_an_epoch_hides_whole_words_and_changes_nothing_else(
    texts: list[str], seed: int, epoch: int
) -> None:
    asked = task(random=0.3, kept=0.3)
    first = asked.encode_to_learn(rows(*texts), Halves())
    found = asked.drawn(first, seed=seed, epoch=epoch)

    assert found.places is not None
    assert found.words is not None
    assert found.lengths.tolist() == first.lengths.tolist()
    for at in range(len(found)):
        assert whole(found, at) == whole(first, at)
        words, places = found.words.row(at), found.places.row(at)
        hidden = set(words[places].tolist())
        assert -1 not in hidden
        assert len(hidden) == (max(1, round(0.15 * (words.max() + 1))) if words.max() >= 0 else 0)
        assert [i for i, word in enumerate(words) if word in hidden] == places.tolist()


def test_epochs_hide_other_words_and_a_seed_the_same() -> None:
    asked = task(share=0.3)
    first = asked.encode_to_learn(rows("a b c d e f g h i j", "k l m n o p q r s"), Halves())

    drawn = [asked.drawn(first, seed=1, epoch=epoch).places for epoch in (0, 1, 0)]

    assert drawn[0] is not None
    assert drawn[1] is not None
    assert drawn[2] is not None
    assert drawn[0].tokens.tolist() == drawn[2].tokens.tolist() != drawn[1].tokens.tolist()


def test_what_stands_in_hidden_places_is_as_the_recipe_says() -> None:
    many = " ".join(["word"] * 4000)
    asked = MaskedTask.from_recipe(
        Section(max_length=100_000, masking=Masking(share=0.5, random=0.2, kept=0.3)), PlainSpace()
    ).measure(rows("a"), Halves())
    found = asked.encode_to_learn(rows(many), Halves())

    assert found.places is not None
    assert found.answers is not None
    seen, truth = found.inputs.tokens[found.places.tokens], found.answers.tokens
    assert np.mean(seen == MASK) == pytest.approx(0.5, abs=0.04)
    assert np.mean(seen == truth) == pytest.approx(0.3, abs=0.04)


def test_tokens_are_hidden_by_themselves_where_words_are_not_kept_whole() -> None:
    (read,) = read_texts(["word word"], Halves(), whole_words=False)

    assert read.words.tolist() == [-1, 0, 1, 2, 3, -1]


def test_what_nobody_could_foretell_is_of_no_word() -> None:
    (read,) = read_texts(["an [MASK] b ?"], Halves(), whole_words=True)

    assert read.words.tolist() == [-1, 0, 0, -1, 1, -1, -1]


@given(st.text(alphabet="ab ,", max_size=60), st.integers(4, 12))
def test_pieces_hold_every_token_once_and_part_no_word(text: str, longest: int) -> None:
    (read,) = read_texts([text], Halves(), whole_words=True)
    found = list(pieces_of(read, longest))

    held = [token for one in found for token in one.tokens[1:-1].tolist()]
    assert held == read.tokens[1:-1].tolist()
    assert sum(int(one.words.max(initial=-1)) + 1 for one in found) == read.words.max() + 1
    assert all(len(one.tokens) <= longest for one in found)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=6), st.floats(0.05, 0.5))
def test_turns_are_even_and_as_many_as_the_share_asks(sizes: list[int], share: float) -> None:
    words = Ragged.of([list(range(size)) for size in sizes])
    turn, turns = in_turn(words, words, share)

    assert word_counts(words).tolist() == sizes
    for at, size in enumerate(sizes):
        mine = turn[words.offsets[at] : words.offsets[at + 1]]
        counts = np.bincount(mine, minlength=1)
        assert turns[at] == min(size, round(1 / share)) == len(set(mine.tolist()))
        assert not size or counts.max() - counts.min() <= 1


def test_the_lot_is_fair() -> None:
    words = Ragged.of([list(range(10))] * 2000)
    hidden = by_lot(words, 0.2, np.random.default_rng(0)).reshape(2000, 10)

    assert (hidden.sum(axis=1) == 2).all()
    assert np.abs(hidden.mean(axis=0) - 0.2).max() < 0.04


def test_a_row_without_a_word_is_told_and_still_answered() -> None:
    asked = task()
    (unfit,) = asked.unfit(rows("a b", "", "?"), Halves())
    found = asked.encode(rows("", "a"), Halves())

    assert unfit.code == "no-token"
    assert unfit.rows.tolist() == [False, True, True]
    assert set(found.ids) == {"row0", "row1"}


def test_a_tokenizer_without_a_mask_is_refused() -> None:
    class Unmasked(Halves):
        mask_token_id = None  # type: ignore[assignment]

    with pytest.raises(ModelTaskError, match="no mask token"):
        task().prepare_tokenizer(Unmasked())


@pytest.mark.parametrize(("asked", "longest"), [(12, 12), ("p100", 40), ("p50", 12)])
def test_a_percentile_of_the_texts_is_no_more_than_the_model_reads(
    asked: int | str, longest: int
) -> None:
    texts = rows(" ".join("a" * 10), " ".join("b" * 10), " ".join("c" * 90))
    found = MaskedTask.from_recipe(Section(max_length=asked), PlainSpace())

    assert found.measure(texts, Halves()).longest == longest


def test_a_task_is_rebuilt_from_what_is_kept_of_it() -> None:
    asked = task(share=0.2, whole_words=False)

    assert MaskedTask.from_json(asked.to_json()) == asked


def test_random_and_kept_leave_something_to_mask() -> None:
    with pytest.raises(ValueError, match="leave no token to mask"):
        Masking(random=0.5, kept=0.5)
