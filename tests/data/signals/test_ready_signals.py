"""The ready signals: what they find, what they let pass, and what they say of nothing."""

from typing import Any

import polars as pl
import pytest

from burnish.data.signals import library
from burnish.data.signals.personal import Personal, masked
from burnish.data.signals.sentiment import lexicon
from burnish.data.signals.signal import Signal
from burnish.errors import SignalError


def said(signal: Signal, *texts: str | None, **columns: Any) -> list[Any]:
    rows = pl.DataFrame({"text": texts} | columns, schema_overrides={"text": pl.String})
    return signal.read(rows).to_list()


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["fashionable"], "a fashionable shoe", True),
        (["fashionable"], "an unfashionable shoe", False),
        (["fashionable"], "fashionable", True),
        (["fashionable"], "Fashionable!", True),
        (["shoe"], "shoes", False),
        (["shoe", "shoes"], "shoes", True),
        (["new balance"], "my New   Balance", True),
        (["new balance"], "new, balance", False),
        (["c++"], "I write c++.", True),
        (["c"], "I write c++.", True),
        (["caf"], "café", False),
        (["café"], "CAFÉ!", True),
        (["a.b"], "axb", False),
        (["🦙"], "a 🦙", True),
        (["x_y"], "x_y z", True),
        (["x"], "x_y", False),
    ],
)
def test_words_are_found_whole(words: list[str], text: str, found: bool) -> None:
    assert said(library.contains("w", words), text, None, "") == [found, None, False]


def test_capitals_count_where_they_are_asked_to() -> None:
    assert said(library.contains("w", ["Nova"], ignore_case=False), "nova", "Nova") == [False, True]


@pytest.mark.parametrize("words", [[], [""], ["a", "  "]])
def test_no_words_are_refused(words: list[str]) -> None:
    with pytest.raises(SignalError, match="no words, or an empty one"):
        library.contains("w", words)


def test_patterns_lengths_labels_and_columns() -> None:
    texts = ("two words", "", None, "a b\tc\nd")

    assert said(library.matches("m", r"^\w+ w"), *texts) == [True, False, None, False]
    assert said(library.length("n"), *texts) == [2, 0, None, 4]
    assert said(library.length("n", unit="characters"), *texts) == [9, 0, None, 7]
    labels = pl.Series([["a"], ["b", "a"], [], None], dtype=pl.List(pl.String))
    assert said(library.label_is("l", ["b", "c"]), *texts, labels=labels) == [
        False, True, False, None,
    ]  # fmt: skip
    price = library.value_of("p", column="price") > 2
    assert said(price, *texts, price=[1, 2, 3, None]) == [False, False, True, None]
    shop = library.one_of("s", ["x", "3"], column="shop")
    assert said(shop, *texts, shop=["x", "y", "3", None]) == [True, False, True, None]
    with pytest.raises(SignalError, match="is no pattern") as caught:
        library.matches("m", "(?<=a)b")
    assert "look-around" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        ("These shoes are stylish.", 1),
        ("These shoes are unfashionable.", -1),
        ("These shoes are not stylish.", -1),
        ("Never a boring shoe", 1),
        ("not at all comfortable", -1),
        ("not the shoe of a comfortable man", 1),  # too far away
        ("It isn't bad. It is great", 1),
        ("not bad; stylish", 1),
        ("I don’t love it", -1),
        ("not ugly but beautiful", 1),
        ("stylish and ugly", 0),
        ("very stylish and ugly", 0.25),
        ("a shoe", 0),
        ("", 0),
        (None, None),
    ],
)
def test_signed_words_are_turned_by_negations_near_them(text: str | None, mood: float) -> None:
    padded = ("good", text, "bad")
    assert said(library.sentiment("mood"), *padded) == [1, mood, -1]


def test_no_word_of_the_lexicon_is_on_two_sides() -> None:
    known = lexicon()
    lists = [known.positive, known.negative, known.negations, known.intensifiers, known.ends]

    together = [word for words in lists for word in words]
    assert len(together) == len(set(together))
    assert all(word == word.lower() and word.isalpha() for word in together)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("email", "to a.b+c@mail.example.org!", "to [email]!"),
        ("email", "a@b is no address", None),
        ("phone", "call +49 (170) 123-4567 now", "call [phone] now"),
        ("phone", "call 0170 1234567", "call [phone]"),
        ("phone", "call 555-123-4567", "call [phone]"),
        ("phone", "in 2024 we sold 1200", None),
        ("card", "4111 1111 1111 1111.", "[card]."),
        ("card", "4111 1111 1111 1112.", None),  # its check digit is wrong
        ("card", "order 1234567890123", None),
        ("iban", "GB82 WEST 1234 5698 7654 32", "[iban]"),
        ("iban", "GB83 WEST 1234 5698 7654 32", None),
        ("iban", "DE89370400440532013000", "[iban]"),
        ("ip", "from 10.0.0.1:80", "from [ip]:80"),
        ("ip", "version 1.2.3", None),
        ("ip", "999.0.0.1", None),
        ("ip", "at 2001:db8::1 today", "at [ip] today"),
    ],
)
def test_personal_data_is_found_and_masked_and_look_alikes_are_left(
    kind: Personal, text: str, shown: str | None
) -> None:
    texts = (text, None, "nothing here")

    assert said(library.personal("p", [kind]), *texts) == [shown is not None, None, False]
    given = pl.Series(texts)
    assert masked(given, [kind]).to_list() == [shown or text, None, "nothing here"]
    assert given.to_list() == list(texts)


def test_all_kinds_are_looked_for_unless_some_are_named() -> None:
    text = "a@b.example, 4111 1111 1111 1111, 10.0.0.1"

    assert said(library.personal("p"), text, "none") == [True, False]
    assert masked(pl.Series([text])).to_list() == ["[email], [card], [ip]"]


def test_ready_signals_are_equal_where_they_ask_the_same() -> None:
    assert library.contains("w", ["a", "b"]) == library.contains("w", ["b", "a"])
    assert library.contains("w", ["a"]) != library.contains("w", ["b"])
    assert library.length("n") != library.length("n", unit="characters")


@pytest.mark.parametrize("values", [[1, 2, None], [1.0, 2.5, None], ["1", "2.5", None]])
def test_one_of_finds_a_whole_number_whatever_stands_beside_it(values: list[Any]) -> None:
    rows = pl.DataFrame({"stars": values})
    found = library.one_of("good", ["1", "3"], column="stars").read(rows)
    assert found.to_list() == [True, False, None]
