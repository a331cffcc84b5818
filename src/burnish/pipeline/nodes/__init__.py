"""Nodes of the graph, by stage; each function is one node, its name the noun it makes.

They are gathered here, so that this package is the one module that Hamilton's builder needs:
`driver.Builder().with_modules(nodes)`.
"""

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from burnish.pipeline.nodes import data, evaluate, inputs, outputs, presaved, release, train


def _all() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in (inputs, data, train, evaluate, release, outputs, presaved):
        for name, node in vars(module).items():
            own = isinstance(node, FunctionType) and node.__module__ == module.__name__
            if own and not name.startswith("_"):
                yield name, node


globals().update(_all())
