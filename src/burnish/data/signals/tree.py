"""What a signal is made of: leaves that measure rows, joined by operators and comparisons.

Precedence is Python's, so a formula reads the same in a program and in a recipe: `~` binds
tightest, then `&`, `^`, `|`, and comparisons last.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from burnish.data.named_columns import is_number, numbers_of

Number = int | float
Constant = bool | Number | str
Measure = pl.Expr | Callable[..., Any]

_JOINS: dict[str, tuple[int, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "&": (4, lambda a, b: a & b),
    "^": (3, lambda a, b: a ^ b),
    "|": (2, lambda a, b: a | b),
}
_COMPARISONS: dict[str, Callable[[pl.Expr, Any], pl.Expr]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}
JOINS, COMPARISONS = tuple(_JOINS), tuple(_COMPARISONS)
_COMPARED, _NEGATED, _WHOLE = 1, 5, 6  # precedences beside those of the joins


@dataclass(frozen=True, slots=True)
class Leaf:
    """A measure with a name; two are equal when name and key are."""

    name: str
    key: Hashable  # what tells measures of one name apart
    measure: Measure = field(compare=False, repr=False)
    extra: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class Joined:
    """Two of them by one of `& ^ |`."""

    by: str
    left: "Node"
    right: "Node"


@dataclass(frozen=True, slots=True)
class Compared:
    """One of them with another, or with a constant."""

    by: str
    left: "Node"
    right: "Node | Constant"


Node = Leaf | Not | Joined | Compared


def leaves(node: Node) -> dict[str, Leaf]:
    """Return the leaves of a tree by name.

    Raises:
        ValueError: two different measures have one name.
    """
    found: dict[str, Leaf] = {}
    for leaf in _leaves(node):
        if found.setdefault(leaf.name, leaf) != leaf:
            raise ValueError(f"two different signals are called {leaf.name!r}")
    return found


def _leaves(node: Node) -> Iterator[Leaf]:
    if isinstance(node, Leaf):
        yield node
    elif isinstance(node, Not):
        yield from _leaves(node.of)
    else:
        yield from _leaves(node.left)
        if isinstance(node.right, Node):
            yield from _leaves(node.right)


def compared(node: Node | Constant) -> Iterator[tuple[str, Constant]]:
    """Yield the name of each leaf that is compared with a constant, and the constant."""
    if isinstance(node, Not):
        yield from compared(node.of)
    elif isinstance(node, Joined | Compared):
        if isinstance(node.left, Leaf) and isinstance(node.right, Constant):
            yield node.left.name, node.right
        yield from compared(node.left)
        yield from compared(node.right)


def written(node: Node) -> str:
    """Return the formula, with no more parentheses than it needs."""
    return _written(node)[0]


def _written(node: Node) -> tuple[str, int]:
    if isinstance(node, Leaf):
        return node.name, _WHOLE
    if isinstance(node, Not):
        return f"~{_inside(node.of, _NEGATED)}", _NEGATED
    if isinstance(node, Joined):
        tight, _ = _JOINS[node.by]
        # An operator takes what is on its left first, so the right side stands one tighter.
        left, right = _inside(node.left, tight), _inside(node.right, tight + 1)
        return f"{left} {node.by} {right}", tight
    left = _inside(node.left, _COMPARED + 1)
    if isinstance(node.right, Node):
        return f"{left} {node.by} {_inside(node.right, _COMPARED + 1)}", _COMPARED
    return f"{left} {node.by} {node.right!r}", _COMPARED


def _inside(node: Node, least: int) -> str:
    text, tight = _written(node)
    return text if tight >= least else f"({text})"


def expression(node: Node, kinds: dict[str, pl.DataType]) -> pl.Expr:
    """Return the formula over columns that are called as its leaves.

    A column of texts, as CSV and TSV have them, is compared with a number as the numbers they are.

    Args:
        node: the tree.
        kinds: type of each leaf's column; Null of one that has gaps alone, which may stand for
            whatever the other rows have.

    Raises:
        TypeError: a number stands where yes or no is needed, or the other way round.
    """
    return _expression(node, kinds)[0]


def _expression(node: Node, kinds: dict[str, pl.DataType]) -> tuple[pl.Expr, bool | None]:
    """Return the expression, and whether it is yes or no rather than a value; None: gaps alone."""
    if isinstance(node, Leaf):
        kind = kinds[node.name]
        return pl.col(node.name), None if kind == pl.Null else kind == pl.Boolean
    if isinstance(node, Not):
        return ~_yes_or_no(node.of, kinds, "~"), True
    if isinstance(node, Joined):
        _, join = _JOINS[node.by]
        sides = (_yes_or_no(side, kinds, node.by) for side in (node.left, node.right))
        return join(*sides), True
    also: bool | None
    left, decides = _expression(node.left, kinds)
    if isinstance(node.right, Node):
        right, also = _expression(node.right, kinds)
    else:
        right, also = pl.lit(node.right), isinstance(node.right, bool)
        if isinstance(node.left, Leaf) and kinds[node.left.name] == pl.String:
            left = numbers_of(left) if is_number(node.right) else left
    if decides is not also and None not in (decides, also):
        raise TypeError(
            f"`{written(node)}` compares yes or no with a value; a comparison binds less tightly "
            "than & ^ |, so put it in parentheses"
        )
    return _COMPARISONS[node.by](left, right), True


def _yes_or_no(node: Node, kinds: dict[str, pl.DataType], operator: str) -> pl.Expr:
    found, decides = _expression(node, kinds)
    if decides is None:
        return found.cast(pl.Boolean)
    if not decides:
        raise TypeError(
            f"`{operator}` joins what is yes or no, and `{written(node)}` is a value; "
            f"compare it first, as in `({written(node)} > 3)`"
        )
    return found
