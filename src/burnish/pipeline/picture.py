"""A picture of the graph: Mermaid text everywhere, SVG where Graphviz is installed.

Nodes stand in the stages that define them; inputs of the graph are round, and dashed where
they may be left out. What is drawn is the very graph a driver would execute, so nodes that a
program added or replaced are in it.
"""

import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from burnish.errors import MissingPackageError, UsageError
from burnish.files import write_text
from burnish.pipeline.driver import build
from burnish.pipeline.start import KEY

DOT = "dot"  # Graphviz's program
_SECONDS = 60
_MERMAID_WORDS = {"end", "graph", "subgraph", "style", "class", "click", "default"}


@dataclass(frozen=True, slots=True)
class _Drawn:
    name: str
    stage: str  # "" for an input
    needs: tuple[str, ...]
    may_need: tuple[str, ...]
    words: str  # what the node says of itself


def draw(stem: Path | str, *, driver: Any = None, outputs: Sequence[str] = ()) -> Path:
    """Write the picture beside `stem`: `.svg` where Graphviz is installed, else `.mmd`.

    Args:
        stem: path without its ending.
        driver: Hamilton's driver; none: that of a start from a base model.
        outputs: draw what these need; empty: the whole graph.

    Raises:
        StorageError: BN402, it cannot be written.
    """
    has_dot = shutil.which(DOT) is not None
    text = svg(driver, outputs=outputs) if has_dot else mermaid(driver, outputs=outputs)
    path = Path(f"{stem}.svg" if has_dot else f"{stem}.mmd")
    write_text(path, text)
    return path


def mermaid(driver: Any = None, *, outputs: Sequence[str] = ()) -> str:
    """Return the graph as a Mermaid flowchart; see `draw`."""
    drawn = _nodes(driver, outputs)
    lines = ["flowchart LR"]
    for stage in _stages(drawn):
        lines.append(f"  subgraph stage_{stage}[{stage}]")
        lines += [f"    {_id(n.name)}[{n.name}]" for n in drawn if n.stage == stage]
        lines.append("  end")
    lines += [f"  {_id(n.name)}([{n.name}])" for n in drawn if not n.stage]
    for node in drawn:
        lines += [f"  {_id(name)} --> {_id(node.name)}" for name in node.needs]
        lines += [f"  {_id(name)} -.-> {_id(node.name)}" for name in node.may_need]
    return "\n".join(lines) + "\n"


def dot(driver: Any = None, *, outputs: Sequence[str] = ()) -> str:
    """Return the graph in Graphviz's language; see `draw`."""
    drawn = _nodes(driver, outputs)
    lines = [
        "digraph burnish {",
        '  rankdir=LR; fontname="sans-serif"',
        '  node [shape=box, style="rounded,filled", fillcolor="#f4f6f8", fontname="sans-serif"]',
        '  edge [color="#5b6770"]',
    ]
    for stage in _stages(drawn):
        lines.append(f'  subgraph "cluster_{stage}" {{ label="{stage}"; color="#b8c2cc"')
        lines += [
            f'    "{n.name}" [tooltip="{_quoted(n.words)}"]' for n in drawn if n.stage == stage
        ]
        lines.append("  }")
    lines += [f'  "{n.name}" [shape=oval, fillcolor=white]' for n in drawn if not n.stage]
    for node in drawn:
        lines += [f'  "{name}" -> "{node.name}"' for name in node.needs]
        lines += [f'  "{name}" -> "{node.name}" [style=dashed]' for name in node.may_need]
    return "\n".join([*lines, "}"]) + "\n"


def svg(driver: Any = None, *, outputs: Sequence[str] = ()) -> str:
    """Return the graph as SVG; see `draw`.

    Raises:
        MissingPackageError: BN401, Graphviz is not installed.
    """
    program = shutil.which(DOT)
    if program is None:
        raise MissingPackageError(
            "Graphviz draws the SVG, and its program `dot` is not installed",
            where="PATH",
            fix="apt-get install graphviz, or take `picture.mermaid()`, which needs nothing",
        )
    done = subprocess.run(  # noqa: S603
        [program, "-Tsvg"],
        input=dot(driver, outputs=outputs),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=_SECONDS,
        check=True,
    )
    return done.stdout


def _nodes(driver: Any, outputs: Sequence[str]) -> list[_Drawn]:
    """Return the nodes that the outputs need, inputs among them, by stage and name."""
    told = {one.name: one for one in (driver or build()).list_available_variables()}
    wanted = _upstream(told, outputs) if outputs else {*told} - {KEY}
    drawn = [
        _Drawn(
            name=one.name,
            stage=""
            if one.is_external_input
            else str(one.tags.get("module", "others")).rpartition(".")[2],
            needs=tuple(sorted(one.required_dependencies)),
            may_need=tuple(sorted(one.optional_dependencies)),
            words=(one.documentation or "").strip().partition("\n")[0],
        )
        for one in told.values()
        if one.name in wanted
    ]
    return sorted(drawn, key=lambda one: (one.stage, one.name))


def _upstream(told: dict[str, Any], outputs: Iterable[str]) -> set[str]:
    found: set[str] = set()
    rest = list(outputs)
    while rest:
        name = rest.pop()
        if name not in told:
            near = get_close_matches(name, told, n=1)
            raise UsageError(
                f"no node is called {name!r}",
                where="the graph",
                fix=f"use {near[0]!r}" if near else "name a node, such as 'report'",
            )
        if name not in found:
            found.add(name)
            rest += [*told[name].required_dependencies, *told[name].optional_dependencies]
    return found


def _stages(drawn: Iterable[_Drawn]) -> list[str]:
    return [stage for stage in dict.fromkeys(one.stage for one in drawn) if stage]


def _id(name: str) -> str:
    """Return a name that Mermaid does not take for a word of its own."""
    return f"{name}_" if name in _MERMAID_WORDS else name


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
