"""Build and execute the graph; with `start` the only importer of Hamilton.

`burnish run` is this graph and nothing beside it: another program drives the same nodes by
name with Hamilton's own driver, and may hand in any of them instead of having it computed.
"""

import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from burnish.pipeline import nodes
from burnish.pipeline.context import Context
from burnish.pipeline.start import BASE, KEY, SELECTS, Start
from burnish.recipe.recipe import Recipe

from hamilton import driver  # isort: skip  # `start` says first what it may load
from hamilton.lifecycle import GraphExecutionHook, NodeExecutionHook  # isort: skip

Announce = Callable[[str, str], None]  # node name, its one-line description


def tell(name: str, description: str) -> None:
    """Write a line to standard error, as `burnish run` does."""
    print(f"· {description or name}", file=sys.stderr)  # noqa: T201


class Progress(NodeExecutionHook, GraphExecutionHook):  # type: ignore[misc]  # Hamilton has no types
    """Tells which node runs, and keeps the seconds each took; an adapter for any driver."""

    def __init__(
        self, announce: Announce | None = tell, *, timings: dict[str, float] | None = None
    ) -> None:
        """Take what is called before each node, and where the seconds are put."""
        self.timings = {} if timings is None else timings
        self._announce = announce
        self._descriptions: dict[str, str] = {}
        self._started: dict[str, float] = {}

    def run_before_graph_execution(self, *, graph: Any, **_: Any) -> None:
        """Learn what each node says of itself."""
        told = {node.name: (node.documentation or "").strip() for node in graph.nodes}
        self._descriptions = {name: text.partition("\n")[0] for name, text in told.items()}

    def run_after_graph_execution(self, **_: Any) -> None:
        """Do nothing: Hamilton asks for the method."""

    def run_before_node_execution(
        self, *, node_name: str, node_tags: dict[str, Any], **_: Any
    ) -> None:
        """Note the time and announce the node."""
        self._started[node_name] = time.perf_counter()
        if self._announce and "module" in node_tags:
            self._announce(node_name, self._descriptions.get(node_name, ""))

    def run_after_node_execution(self, *, node_name: str, result: Any, **_: Any) -> None:
        """Add the seconds since it started."""
        started = self._started.pop(node_name, None)
        if started is not None:
            self.timings[node_name] = round(time.perf_counter() - started, 3)
        if isinstance(result, Context):  # from here on the manifest can tell them
            result.timings.update(self.timings)
            self.timings = result.timings


def build(start: Start = BASE, *adapters: Any, selects: bool = False) -> Any:
    """Return Hamilton's driver of the whole graph.

    Args:
        start: `base` trains; `presaved` asks a saved run.
        adapters: Hamilton's own, or `Progress`.
        selects: whether the recipe has a `data.select`.
    """
    return (
        driver.Builder()
        .with_modules(nodes)
        .with_config({KEY: start, SELECTS: selects})
        .with_adapters(*adapters)
        .build()
    )


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
        context: folder and tracker.
        overrides: values to use instead of computing those nodes.
        announce: called before each node.
    """
    # Burnish tells its own errors; Hamilton's banner around them would be said twice.
    logging.getLogger("hamilton").setLevel(logging.CRITICAL)
    selects = recipe.data.select is not None
    graph = build(BASE, Progress(announce, timings=context.timings), selects=selects)
    given = {"recipe": recipe, "context": context, **(overrides or {})}
    return dict(graph.execute(list(outputs), overrides=given))
