"""A signal: what is true, or how much, of each row of a table.

Null means that it is not known, and follows Kleene's logic: unknown and false is false, unknown
and true is unknown. Whoever selects by a signal takes rows where it is surely true.

Public as `burnish.Signal`.
"""

from collections.abc import Callable, Hashable, Mapping
from keyword import iskeyword
from typing import Any, Self

import polars as pl

from burnish.data.named_columns import first_no_number, is_number
from burnish.data.signals.tree import (
    Compared,
    Constant,
    Joined,
    Leaf,
    Measure,
    Node,
    Not,
    compared,
    expression,
    leaves,
    written,
)
from burnish.errors import BurnishError, SignalError

NO_NUMBER_FIX = "correct the cell, or leave it empty; a text to compare with stands in quotes"
OUTPUTS, TRUTHS = "output", "labels"  # columns that are no inputs

Function = Callable[[Mapping[str, pl.Series], pl.Series | None, pl.Series | None, Any], Any]


class Signal:
    """A named predicate or measure over rows; joined by `& | ^ ~` and by comparisons.

    `==` asks whether two signals are the same one, as anywhere in Python; `equals` makes the
    signal that compares their values.
    """

    __slots__ = ("_node",)

    def __init__(
        self,
        name: str,
        measure: pl.Expr | Function,
        *,
        extra_args: Any = None,
        key: Hashable = None,
    ) -> None:
        """Name a measure.

        Args:
            name: letters, digits and underscores, as in a formula.
            measure: a Polars expression over the table's columns, or a function
                `fn(inputs, outputs, gts, extra_args)` of whole columns: inputs by name, the
                columns `output` and `labels` where there are any. Either gives a Boolean, a number
                or a text for each row.
            extra_args: handed to the function.
            key: what tells two measures of one name apart; none: the measure itself.

        Raises:
            SignalError: BN209, the name could not stand in a formula.
        """
        if not name.isidentifier() or iskeyword(name):
            raise SignalError(
                f"a signal cannot be called {name!r}",
                where="the name of a signal",
                fix="use letters, digits and underscores, such as `has_brand`",
            )
        if key is None:
            key = measure.meta.serialize() if isinstance(measure, pl.Expr) else measure
        self._node: Node = Leaf(name, key, measure, extra_args)

    @classmethod
    def of(cls, node: Node) -> Self:
        """Return the signal of a tree."""
        made = object.__new__(cls)
        made._node = node
        return made

    @property
    def node(self) -> Node:
        """The tree."""
        return self._node

    @property
    def names(self) -> tuple[str, ...]:
        """The named signals in it, in order of their first place."""
        return tuple(leaves(self._node))

    def read(self, rows: pl.DataFrame) -> pl.Series:
        """Return the value of each row: Boolean, or as the measure gives it; null: not known.

        Raises:
            SignalError: BN209, a measure fails, gives another number of rows, or something that
                is neither yes or no, nor a number, nor a text; or the formula joins values.
        """
        columns = {name: measured(leaf, rows) for name, leaf in self._leaves().items()}
        return self.joined(columns)

    def decided(self, columns: Mapping[str, pl.Series]) -> pl.Series:
        """Return yes or no for each row, given the values of the named signals in it.

        Raises:
            SignalError: BN209, it is a value rather than yes or no, or it joins values.
        """
        found = self.joined(columns)
        if found.dtype != pl.Boolean:
            raise SignalError(
                "it is a value for each row, not yes or no",
                where=f"signal `{self}`",
                fix=f"compare it, as in `{self} > 3`",
            )
        return found

    def no_number(self, columns: Mapping[str, pl.Series]) -> tuple[str, int] | None:
        """Return signal and place of the first text that a number is compared with and is none."""
        for name, constant in compared(self._node):
            if is_number(constant) and (at := first_no_number(columns[name])) is not None:
                return name, at
        return None

    def joined(self, columns: Mapping[str, pl.Series]) -> pl.Series:
        """Return the value of each row, given those of the named signals in it."""
        if (wrong := self.no_number(columns)) is not None:
            name, at = wrong
            raise SignalError(
                f"row {at + 1} holds the text {columns[name][at]!r} where a number is needed",
                where=f"signal `{name}`",
                fix=NO_NUMBER_FIX,
            )
        # What some rows lack does not say what it is in the others.
        told = {
            name: pl.Series([None] * len(one)) if one.null_count() == len(one) else one
            for name, one in columns.items()
        }
        try:
            found = expression(self._node, {name: one.dtype for name, one in told.items()})
            table = pl.DataFrame([one.alias(name) for name, one in told.items()])
            made = table.select(found.alias("signal")).to_series()
            return made.cast(pl.Boolean) if made.dtype == pl.Null else made
        except (TypeError, pl.exceptions.PolarsError) as err:
            # Polars tells the whole table below its first line.
            what, fix = str(err).partition("\n")[0], "join what is yes or no by & | ^ ~"
            raise SignalError(what, where=f"signal `{self}`", fix=fix) from err

    def _leaves(self) -> dict[str, Leaf]:
        try:
            return leaves(self._node)
        except ValueError as err:
            raise SignalError(
                str(err), where=f"signal `{self}`", fix="give each signal its own name"
            ) from err

    def __str__(self) -> str:
        return written(self._node)

    def __repr__(self) -> str:
        return f"Signal({written(self._node)!r})"

    def __hash__(self) -> int:
        return hash(self._node)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signal) and self._node == other._node

    def __bool__(self) -> bool:
        raise TypeError("a signal has a value for each row; join signals by & | ^ ~, not and or")

    def __invert__(self) -> "Signal":
        return Signal.of(Not(self._node))

    def __and__(self, other: "Signal") -> "Signal":
        return self._join("&", other)

    def __or__(self, other: "Signal") -> "Signal":
        return self._join("|", other)

    def __xor__(self, other: "Signal") -> "Signal":
        return self._join("^", other)

    def __lt__(self, other: "Signal | Constant") -> "Signal":
        return self._compare("<", other)

    def __le__(self, other: "Signal | Constant") -> "Signal":
        return self._compare("<=", other)

    def __gt__(self, other: "Signal | Constant") -> "Signal":
        return self._compare(">", other)

    def __ge__(self, other: "Signal | Constant") -> "Signal":
        return self._compare(">=", other)

    def equals(self, other: "Signal | Constant") -> "Signal":
        """Return the signal of rows where the values are equal."""
        return self._compare("==", other)

    def differs(self, other: "Signal | Constant") -> "Signal":
        """Return the signal of rows where the values are not equal."""
        return self._compare("!=", other)

    def _join(self, by: str, other: "Signal") -> "Signal":
        if not isinstance(other, Signal):
            return NotImplemented
        return Signal.of(Joined(by, self._node, other._node))

    def _compare(self, by: str, other: "Signal | Constant") -> "Signal":
        if isinstance(other, Signal):
            return Signal.of(Compared(by, self._node, other._node))
        if not isinstance(other, Constant):
            return NotImplemented
        return Signal.of(Compared(by, self._node, other))


def measured(leaf: Leaf, rows: pl.DataFrame) -> pl.Series:
    """Return the value of each row by one measure.

    Raises:
        SignalError: BN209, see `Signal.read`.
    """
    try:
        found = _values(leaf.measure, rows, leaf.extra)
    except BurnishError:
        raise  # which says itself what is wrong, as of a file that is not there
    except Exception as err:
        raise SignalError(
            f"it fails: {type(err).__name__}: {err}",
            where=f"signal `{leaf.name}`",
            fix="correct the function, or name columns that the table has",
        ) from err
    plain = found.dtype in (pl.Boolean, pl.String, pl.Null) or found.dtype.is_numeric()
    if not plain or len(found) != rows.height:
        raise SignalError(
            f"it gives {len(found)} values of type {found.dtype} for {rows.height} rows",
            where=f"signal `{leaf.name}`",
            fix="give yes or no, a number or a text for each row",
        )
    return found.cast(pl.Boolean) if found.dtype == pl.Null else found


def _values(measure: Measure, rows: pl.DataFrame, extra: Any) -> pl.Series:
    if isinstance(measure, pl.Expr):
        return rows.select(measure.alias("value")).to_series()
    inputs = {name: rows[name] for name in rows.columns if name not in (OUTPUTS, TRUTHS)}
    outputs, truths = (rows.get_column(name, default=None) for name in (OUTPUTS, TRUTHS))
    return pl.Series("value", measure(inputs, outputs, truths, extra))
