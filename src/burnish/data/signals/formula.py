"""The text of a formula, such as `brand & product & ~negative`, read without running it.

The grammar is that of Python's expressions, of which only names, constants, parentheses,
`~ & ^ |` and comparisons are let through. A fault points at its character.
"""

import ast
from collections.abc import Mapping
from difflib import get_close_matches

from burnish.data.signals.signal import Signal
from burnish.data.signals.tree import Compared, Constant, Joined, Node, Not
from burnish.errors import SignalError

_LONGEST = 10_000  # characters
_JOINS = {ast.BitAnd: "&", ast.BitXor: "^", ast.BitOr: "|"}
_COMPARISONS = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_WORDS = {ast.And: ("and", "&"), ast.Or: ("or", "|"), ast.Not: ("not", "~")}


def parse(text: str, signals: Mapping[str, Signal], *, where: str = "the formula") -> Signal:
    """Return the signal that a formula describes.

    Args:
        text: the formula.
        signals: what its names stand for.
        where: of the formula, for errors.

    Raises:
        SignalError: BN209, it is no formula, or a name in it is not known; points at the
            character.
    """
    return Signal.of(_Reader(text, signals, where).whole())


class _Reader:
    def __init__(self, text: str, signals: Mapping[str, Signal], where: str) -> None:
        self._text = text
        self._signals = signals
        self._where = where

    def whole(self) -> Node:
        if not self._text.strip():
            raise self._fault(0, "the formula is empty", "name a signal")
        if len(self._text) > _LONGEST or "\n" in self._text.strip():
            what = f"a formula is one line of at most {_LONGEST:,} characters"
            raise self._fault(0, what, "give a part of it a name of its own")
        try:
            found = ast.parse(self._text.strip(), mode="eval").body
            return self._node(found)
        except SyntaxError as err:
            at = max(0, (err.offset or 1) - 1)
            raise self._fault(at, f"this is no formula: {err.msg}", "write as in `a & ~b`") from err
        except (ValueError, RecursionError, MemoryError) as err:
            raise self._fault(0, f"this is no formula: {err}", "write as in `a & ~b`") from err

    def _node(self, found: ast.expr) -> Node:
        if isinstance(found, ast.Name):
            return self._named(found)
        if isinstance(found, ast.UnaryOp) and isinstance(found.op, ast.Invert):
            return Not(self._node(found.operand))
        if isinstance(found, ast.BinOp) and type(found.op) in _JOINS:
            return Joined(_JOINS[type(found.op)], self._node(found.left), self._node(found.right))
        if isinstance(found, ast.Compare):
            return self._compared(found)
        raise self._unknown(found)

    def _named(self, found: ast.Name) -> Node:
        if found.id in self._signals:
            return self._signals[found.id].node
        near = get_close_matches(found.id, self._signals, n=1)
        known = ", ".join(f"`{name}`" for name in self._signals) or "none"
        fix = f"did you mean `{near[0]}`?" if near else f"there are: {known}"
        raise self._fault(found, f"no signal is called {found.id!r}", fix)

    def _compared(self, found: ast.Compare) -> Node:
        if len(found.ops) > 1:
            what = "comparisons cannot be chained"
            raise self._fault(found.comparators[1], what, "join two by &: `(3 < a) & (a < 9)`")
        by = _COMPARISONS.get(type(found.ops[0]))
        if by is None:
            what = "this comparison has no meaning for rows"
            raise self._fault(found, what, f"use one of {' '.join(_COMPARISONS.values())}")
        left, right = found.left, found.comparators[0]
        if (constant := self._constant(right)) is not None:
            return Compared(by, self._node(left), constant)
        if (constant := self._constant(left)) is not None:
            return Compared(_TURNED.get(by, by), self._node(right), constant)
        return Compared(by, self._node(left), self._node(right))

    def _constant(self, found: ast.expr) -> Constant | None:
        """Return the constant that is written there; None where there is none."""
        minus = isinstance(found, ast.UnaryOp) and isinstance(found.op, ast.USub)
        inner = found.operand if isinstance(found, ast.UnaryOp) and minus else found
        if not isinstance(inner, ast.Constant) or not isinstance(inner.value, Constant):
            return None
        if minus and not isinstance(inner.value, str):
            return -inner.value
        return None if minus else inner.value

    def _unknown(self, found: ast.expr) -> SignalError:
        operator = type(getattr(found, "op", None))
        if operator in _WORDS:
            word, sign = _WORDS[operator]
            return self._fault(found, f"`{word}` has no meaning for rows", f"write `{sign}`")
        if isinstance(found, ast.Constant):
            what = f"{found.value!r} stands where a signal is needed"
            fix = "compare a signal with it; beside & ^ | put that in parentheses: `a & (b > 3)`"
            return self._fault(found, what, fix)
        what = "only signals, constants, ~ & ^ | and comparisons can stand in a formula"
        return self._fault(found, what, "give what you want to compute a signal of its own")

    def _fault(self, at: ast.expr | int, what: str, fix: str) -> SignalError:
        offset = at if isinstance(at, int) else at.col_offset
        # The parser counts bytes, and not the white space before.
        bare = self._text.strip()
        before = bare.encode()[:offset].decode(errors="ignore")
        column = self._text.find(bare) + len(before)
        start, stop = max(0, column - 30), column + 30
        shown = f"{self._text[start:column]}⟪here⟫{self._text[column:stop]}"
        return SignalError(what, where=f"{self._where}, character {column + 1}: {shown}", fix=fix)


_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
