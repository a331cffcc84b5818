"""Formulas of signals mean what they say: held to a plain reading, row by row."""

import operator
import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import burnish
from burnish.data.signals.formula import parse
from burnish.data.signals.signal import Signal
from burnish.data.signals.tree import COMPARISONS, JOINS, Compared, Joined, Leaf, Node, Not
from burnish.errors import SignalError

FORMULAS = 2_000
YES_OR_NO = {name: Signal(name, pl.col(name)) for name in ("brand", "shoe", "harsh")}
NUMBERS = {name: Signal(name, pl.col(name)) for name in ("words", "price")}
EVERY = YES_OR_NO | NUMBERS
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
Row = dict[str, Any]


def table(rows: int = 60, seed: int = 0) -> pl.DataFrame:
    drawn = random.Random(seed)
    columns: dict[str, list[Any]] = {
        name: drawn.choices([True, False, None], k=rows) for name in YES_OR_NO
    }
    columns |= {name: drawn.choices([*range(4), None], k=rows) for name in NUMBERS}
    return pl.DataFrame(columns, schema=dict.fromkeys(YES_OR_NO, pl.Boolean)
                        | dict.fromkeys(NUMBERS, pl.Int64))  # fmt: skip


decisions = st.deferred(
    lambda: (
        st.sampled_from([*YES_OR_NO.values()])
        | st.builds(operator.invert, decisions)
        | st.builds(lambda by, a, b: by(a, b), JOINING, decisions, decisions)
        | st.builds(lambda by, a, b: Signal.of(Compared(by, a.node, b)), COMPARING, VALUES, NUMBER)
        | st.builds(
            lambda by, a, b: Signal.of(Compared(by, a.node, b.node)), COMPARING, VALUES, VALUES
        )
    )
)
JOINING = st.sampled_from([operator.and_, operator.or_, operator.xor])
COMPARING = st.sampled_from(COMPARISONS)
VALUES = st.sampled_from([*NUMBERS.values()])
NUMBER = st.integers(-1, 4)


def by_hand(node: Node, row: Row) -> Any:
    """What a formula says of one row, by Kleene's logic; None: not known."""
    if isinstance(node, Leaf):
        return row[node.name]
    if isinstance(node, Not):
        inner = by_hand(node.of, row)
        return None if inner is None else not inner
    left = by_hand(node.left, row)
    right = by_hand(node.right, row) if isinstance(node.right, Node) else node.right
    if isinstance(node, Joined) and node.by in "&|":
        absorbing = node.by == "|"
        if left is absorbing or right is absorbing:
            return absorbing
    if left is None or right is None:
        return None
    if isinstance(node, Compared):
        return SIGNS[node.by](left, right)
    return {"&": left and right, "|": left or right, "^": left != right}[node.by]


def drawn_formula(drawn: random.Random, depth: int = 0) -> Signal:
    kind = drawn.random()
    if depth > 4 or kind < 0.25:
        return drawn.choice([*YES_OR_NO.values()])
    if kind < 0.4:
        return ~drawn_formula(drawn, depth + 1)
    if kind < 0.8:
        by = drawn.choice(JOINS)
        sides = (drawn_formula(drawn, depth + 1).node, drawn_formula(drawn, depth + 1).node)
        return Signal.of(Joined(by, *sides))
    left = drawn.choice([*NUMBERS.values()])
    right = drawn.choice([*(s.node for s in NUMBERS.values()), 1, 2])
    return Signal.of(Compared(drawn.choice(COMPARISONS), left.node, right))


def test_two_thousand_formulas_say_of_each_row_what_a_plain_reading_does() -> None:
    drawn, rows = random.Random(1), table()
    by_row = rows.to_dicts()

    for _ in range(FORMULAS):
        formula = drawn_formula(drawn)
        assert formula.read(rows).to_list() == [by_hand(formula.node, row) for row in by_row], (
            formula
        )
        assert parse(str(formula), EVERY) == formula


@given(decisions)
def test_a_formula_is_read_back_from_its_text(formula: Signal) -> None:
    again = parse(str(formula), EVERY)

    assert again == formula
    assert hash(again) == hash(formula)
    assert str(again) == str(formula)


@given(decisions, decisions)
def test_laws_of_logic_hold_where_something_is_unknown_too(a: Signal, b: Signal) -> None:
    rows = table(20)

    def same(one: Signal, other: Signal) -> None:
        assert one.read(rows).to_list() == other.read(rows).to_list()

    same(~(a & b), ~a | ~b)
    same(~(a | b), ~a & ~b)
    same(~~a, a)
    same(a & b, b & a)
    same(a | b, b | a)
    same(a ^ b, b ^ a)
    same(a ^ b, (a & ~b) | (~a & b))


def test_no_more_parentheses_are_written_than_are_needed() -> None:
    brand, shoe, harsh, words = (EVERY[name] for name in ("brand", "shoe", "harsh", "words"))

    assert str(brand & shoe & ~harsh) == "brand & shoe & ~harsh"
    assert str(brand & (shoe & harsh)) == "brand & (shoe & harsh)"
    assert str(brand | shoe & harsh) == "brand | shoe & harsh"
    assert str((brand | shoe) & ~(harsh ^ brand)) == "(brand | shoe) & ~(harsh ^ brand)"
    assert str(brand & (words >= 3)) == "brand & (words >= 3)"
    assert str(words.equals(EVERY["price"])) == "words == price"
    assert repr(brand & shoe) == "Signal('brand & shoe')"
    assert (brand & (words > 2) & brand).names == ("brand", "words")


def test_a_signal_is_itself_and_has_no_truth_of_its_own() -> None:
    brand, again = Signal("brand", pl.col("brand")), Signal("brand", pl.col("brand"))

    assert burnish.Signal is Signal
    assert brand == again
    assert brand != Signal("brand", pl.col("shoe"))
    assert brand != "brand"
    assert {brand: 1}[again] == 1
    with pytest.raises(TypeError, match="a signal has a value for each row"):
        bool(brand)
    with pytest.raises(TypeError):
        brand & True  # type: ignore[operator]
    with pytest.raises(AttributeError, match="Signals"):
        burnish.Signals  # noqa: B018


def test_a_function_gets_whole_columns_and_what_was_handed_along() -> None:
    seen: list[Any] = []

    def longer(inputs: Any, outputs: Any, gts: Any, extra: Any) -> list[bool]:
        seen.append((sorted(inputs), outputs.to_list(), gts.to_list(), extra))
        return [len(text) > extra["least"] for text in inputs["text"]]

    rows = pl.DataFrame({"text": ["a", "abc"], "output": ["x", "y"], "labels": [["l"], []]})
    found = Signal("longer", longer, extra_args={"least": 2}).read(rows)

    assert found.to_list() == [False, True]
    assert seen == [(["text"], ["x", "y"], [["l"], []], {"least": 2})]


@pytest.mark.parametrize(
    ("signal", "told", "where"),
    [
        (lambda: Signal("a b", pl.col("brand")), "cannot be called 'a b'", "name of a signal"),
        (lambda: Signal("not", pl.col("brand")), "cannot be called 'not'", "name of a signal"),
        (lambda: Signal("x", pl.col("brnd")), "ColumnNotFoundError", "signal `x`"),
        (lambda: Signal("x", lambda *_: 1 / 0), "ZeroDivisionError", "signal `x`"),
        (lambda: Signal("x", lambda *_: [True]), "1 values of type Boolean for 60", "signal `x`"),
        (lambda: Signal("x", lambda *_: [[1]] * 60), "60 values of type List", "signal `x`"),
        (lambda: EVERY["brand"] & EVERY["words"], "`words` is a value", "`brand & words`"),
        (lambda: ~EVERY["words"], "`~` joins what is yes or no", "signal `~words`"),
        (lambda: EVERY["brand"] > 3, "compares yes or no with a value", "signal `brand > 3`"),
        (lambda: EVERY["words"] > "many", "cannot compare", "signal `words > 'many'`"),
        (
            lambda: EVERY["brand"] & Signal("brand", pl.col("shoe")),
            "two different signals are called 'brand'",
            "signal `brand & brand`",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_the_signal(
    signal: Callable[[], Signal], told: str, where: str
) -> None:
    with pytest.raises(SignalError) as caught:
        signal().read(table())

    assert told in caught.value.what
    assert where in caught.value.where
    assert caught.value.code == "BN209"


@pytest.mark.parametrize("kind", [pl.Null, pl.Boolean, pl.Int64, pl.String])
@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a > 3", [None, None]),
        ("a == 'x'", [None, None]),
        ("a == True", [None, None]),
        ("a < b", [None, None]),
        ("b < a", [None, None]),
        ("a", [None, None]),
        ("~a", [None, None]),
        ("a | (b > 1)", [None, True]),
        ("(a > 3) | (b > 1)", [None, True]),
        ("(a == a) & (b > 1)", [False, None]),
    ],
)
def test_a_column_of_gaps_alone_is_not_known_whatever_it_is_compared_with(
    formula: str, expected: list[bool | None], kind: Any
) -> None:
    rows = pl.DataFrame({"a": pl.Series([None, None], dtype=kind), "b": [1, 2]})
    signals = {name: Signal(name, pl.col(name)) for name in rows.columns}
    found = parse(formula, signals).read(rows)
    assert (found.dtype, found.to_list()) == (pl.Boolean, expected)
