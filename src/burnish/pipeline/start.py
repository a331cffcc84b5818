"""Which form of a node is in the graph: for a start from a base model, or from a saved run.

Hamilton picks by its configuration, `with_config({"start": "presaved"})`; without one the start
is `base`. A form of its own has a name that ends in `__presaved`, of which Hamilton drops that.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from burnish.errors import UsageError

# Loading every optional extension costs seconds and is not needed by the nodes here.
os.environ.setdefault("HAMILTON_AUTOLOAD_EXTENSIONS", "0")

from hamilton.function_modifiers import config

Start = Literal["base", "presaved"]
Node = TypeVar("Node", bound=Callable[..., Any])

KEY = "start"
SELECTS = "selects"
BASE: Start = "base"
PRESAVED: Start = "presaved"


def only(start: Start) -> Callable[[Node], Node]:
    """Return a decorator for a node that is in the graph under that start alone.

    Raises, when a graph is built:
        UsageError: BN103, the configuration names another start.
    """
    return _where(KEY, lambda configuration: _start(configuration) == start)


def _start(configuration: Mapping[str, Any]) -> str:
    asked = configuration.get(KEY) or BASE
    if asked not in (BASE, PRESAVED):
        raise UsageError(
            f"a graph cannot start from {asked!r}",
            where=f"configuration key `{KEY}` of the graph",
            fix=f"use {BASE!r} to train, or {PRESAVED!r} for a run that is saved",
        )
    return str(asked)


def only_selecting(selects: bool) -> Callable[[Node], Node]:
    """Return a decorator for a node of graphs whose recipe has a `data.select`, or has none.

    `burnish run` tells the graph; a program does by `with_config({"selects": True})`. Only the
    rows before a selection hang on it: where a program replaces the splits, no file shall be
    read for rows that nobody asks for.
    """
    return _where(SELECTS, lambda configuration: bool(configuration.get(SELECTS)) == selects)


def _where(key: str, is_asked: Callable[[Mapping[str, Any]], bool]) -> Callable[[Node], Node]:
    """Return a decorator for a node of graphs whose configuration is as asked."""

    def mark(node: Node) -> Node:
        marked: Node = config(is_asked, config_used=[key])(node)
        return marked

    return mark
