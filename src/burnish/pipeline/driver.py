"""Build and execute the graph; the only importer of Hamilton.

`burnish run` is this graph and nothing beside it: another program drives the same nodes by
name, and may hand in any of them instead of having it computed.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from burnish.pipeline.context import Context
from burnish.recipe.recipe import Recipe

# Loading every optional extension costs seconds and is not needed by the nodes here.
os.environ.setdefault("HAMILTON_AUTOLOAD_EXTENSIONS", "0")

from hamilton import driver
from hamilton.lifecycle import NodeExecutionHook

from burnish.pipeline.nodes import data, evaluate, release, train

# Burnish tells its own errors; Hamilton's banner around them would be said twice.
logging.getLogger("hamilton").setLevel(logging.CRITICAL)

Announce = Callable[[str, str], None]  # node name, its one-line description


class StageClock(NodeExecutionHook):  # type: ignore[misc]  # Hamilton publishes no types
    """Tells which node runs, and keeps the seconds each took."""

    def __init__(self, timings: dict[str, float], announce: Announce | None) -> None:
        self._timings = timings
        self._announce = announce
        self._started: dict[str, float] = {}

    def run_before_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], **_: Any
    ) -> None:
        """Note the time and announce the node."""
        self._started[node_name] = time.perf_counter()
        if self._announce and "module" in node_tags:
            self._announce(node_name, _DESCRIPTIONS.get(node_name, ""))

    def run_after_node_execution(self, *, node_name: str, **_: Any) -> None:
        """Add the seconds since it started."""
        started = self._started.pop(node_name, None)
        if started is not None:
            self._timings[node_name] = round(time.perf_counter() - started, 3)


_MODULES = (data, train, evaluate, release)
_DESCRIPTIONS = {
    name: (function.__doc__ or "").strip().splitlines()[0]
    for module in _MODULES
    for name, function in vars(module).items()
    if callable(function) and getattr(function, "__module__", "") == module.__name__
}


def execute(
    outputs: Sequence[str],
    *,
    recipe: Recipe,
    context: Context,
    overrides: Mapping[str, Any] | None = None,
    announce: Announce | None = None,
) -> dict[str, Any]:
    """Return the values of the named nodes, computing only what they need.

    Args:
        outputs: node names, such as `verdict` or `report`.
        recipe: what to do.
        context: folder, tracker and model fetchers.
        overrides: values to use instead of computing those nodes.
        announce: called before each node.
    """
    clock = StageClock(context.timings, announce)
    graph = driver.Builder().with_modules(*_MODULES).with_adapters(clock).build()
    inputs = {"recipe": recipe, "context": context}
    return dict(graph.execute(list(outputs), inputs=inputs, overrides=dict(overrides or {})))
