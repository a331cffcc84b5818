"""What is told piece by piece is the whole text, whole characters, and nothing of a stop text."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.serving.pieces import Pieces, offsets

TEXTS = st.text(alphabet="abAB ä€🦙\n\t.!", max_size=40)


@pytest.fixture(scope="module")
def tokenizer(byte_level: Callable[..., Any]) -> Any:
    return byte_level("ab ab AB", "aä€")


def told(tokenizer: Any, text: str, **settings: Any) -> tuple[list[str], bool, str]:
    """Return the pieces of a text, whether a stop text ended it, and all of it."""
    found: list[str] = []
    pieces = Pieces(tokenizer, emit=found.append, **settings)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    stopped = any(pieces.add(token) for token in ids)
    pieces.end()
    return found, stopped, pieces.text


@given(text=TEXTS)
def test_pieces_joined_are_the_text(tokenizer: Any, text: str) -> None:
    found, _, whole = told(tokenizer, text, strip=False)

    assert "".join(found) == whole == text
    assert all(found)
    assert not any("\ufffd" in one for one in found)


@given(text=TEXTS)
def test_white_space_around_the_text_is_left_out_where_that_is_asked(
    tokenizer: Any, text: str
) -> None:
    found, _, whole = told(tokenizer, text)

    assert "".join(found) == whole == text.strip()


@given(text=TEXTS, stop=st.lists(st.text(alphabet="abAB ä🦙", min_size=1, max_size=4), max_size=3))
def test_the_text_ends_before_the_first_stop_text(
    tokenizer: Any, text: str, stop: list[str]
) -> None:
    found, stopped, whole = told(tokenizer, text, stop=stop, strip=False)

    ends = [text.index(one) for one in stop if one in text]
    if not stopped:  # at most the last token held one
        assert not any(one in text[:-1] for one in stop) or ends
    if not ends:
        assert whole == text
    else:
        assert not any(one in whole for one in stop)
        assert text.startswith(whole)
    assert "".join(found) == whole


def test_half_a_character_waits_for_its_other_half(tokenizer: Any) -> None:
    found: list[str] = []
    pieces = Pieces(tokenizer, emit=found.append)
    ids = tokenizer("🦙", add_special_tokens=False)["input_ids"]
    assert len(ids) > 1

    for token in ids[:-1]:
        pieces.add(token)
        assert found == []
    pieces.add(ids[-1])

    assert found == ["🦙"]


@given(text=TEXTS)
def test_each_token_begins_where_its_text_does_and_parts_of_a_character_where_it_does(
    tokenizer: Any, text: str
) -> None:
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    ends = [len(tokenizer.decode(ids[:at])) for at in range(len(ids) + 1)]

    found = offsets(ids, tokenizer, marks=False)

    assert len(found) == len(ids)
    assert found == sorted(found)
    for token, at in zip(ids, found, strict=True):
        alone = tokenizer.decode([token]).rstrip("\ufffd")
        assert "\ufffd" in alone or text[at:].startswith(alone)
    whole = [at for at in range(len(ids)) if "\ufffd" not in tokenizer.decode(ids[:at])]
    assert [found[at] for at in whole] == [ends[at] for at in whole]


def test_a_part_of_a_character_after_a_space_leaves_the_space_behind(
    byte_level: Callable[..., Any],
) -> None:
    tokenizer = byte_level("🦙 🦘 🦚 🦛", size=262)  # learns a space with three bytes of four
    ids = tokenizer(" 🦙!", add_special_tokens=False)["input_ids"]

    assert len(ids) == 3
    assert offsets(ids, tokenizer, marks=False) == [0, 1, 2]


def test_special_tokens_count_where_they_are_part_of_the_text(tokenizer: Any) -> None:
    ids = [tokenizer.pad_token_id, *tokenizer("ab", add_special_tokens=False)["input_ids"]]

    assert offsets(ids, tokenizer, marks=False)[:2] == [0, 0]
    assert offsets(ids, tokenizer, marks=True)[:2] == [0, len(tokenizer.pad_token)]
