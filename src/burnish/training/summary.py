"""What a model consists of, as a table to read: layers, shapes, weights, and which of them move.

Lightning's own table names neither shapes of weights nor bytes, stops above the layers of a
stack, and counts the wrappers of adapters; here layers that are alike share a line.

Called by the pipeline, for trackers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from torch import nn

from burnish.training.packing import plain
from burnish.training.weights import weight_count, weight_mb

_DEPTH = 4  # levels of names that have a line; a stack and its layers are one


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    kind: str
    shape: str  # of its own weight
    weights: int
    trained: int
    megabytes: float

    @property
    def cells(self) -> tuple[str, ...]:
        counts = f"{self.weights:,}", f"{self.trained:,}", f"{self.megabytes:,.2f}"
        return (self.name, self.kind, self.shape, *counts)


def model_summary(model: Any) -> str:
    """Return the table of a model as lines of text, its total last.

    Args:
        model: as it was trained, PEFT-wrapped or not: its weights say whether they move.
    """
    base = plain(model)
    lines = list(_below(base, "", _DEPTH))
    total = _line("total", [base])
    share = total.trained / max(1, total.weights)
    head = ("layer", "kind", "shape", "weights", "trained", "MB")
    told = [
        f"{type(base).__name__}: {total.weights:,} weights, of which {total.trained:,} "
        f"({share:.2%}) are trained; {total.megabytes:,.2f} MB",
        "",
        *_table([head, *(one.cells for one in lines), total.cells]),
    ]
    if total.weights != sum(weight_count(part) for part in base.children()):
        told += ["", "Weights that layers share stand with each of them, and count once in all."]
    return "\n".join(told) + "\n"


def _below(module: nn.Module, name: str, depth: int) -> Iterator[_Line]:
    """Yield a line for each layer inside a module, down to so many levels."""
    if depth == 0:
        return
    for child_name, child in module.named_children():
        path = f"{name}.{child_name}" if name else child_name
        if not weight_count(child):
            continue
        if isinstance(child, nn.ModuleList):
            yield from _stack(child, path, depth)
        else:
            yield _line(path, [child])
            yield from _below(child, path, depth - 1)


def _stack(stack: nn.ModuleList, path: str, depth: int) -> Iterator[_Line]:
    """Yield one line for each run of layers that are alike, and what the first of them holds."""
    numbered = enumerate(stack)
    for _, alike in groupby(numbered, key=lambda one: _line("", [one[1]])):
        layers = list(alike)
        first, last = layers[0][0], layers[-1][0]
        span = f"{path}.{first}" if first == last else f"{path}.{first}–{last}"
        yield _line(span, [layer for _, layer in layers])
        yield from _below(layers[0][1], f"{path}.{first}", depth - 1)


def _line(name: str, modules: list[nn.Module]) -> _Line:
    kind, own = type(modules[0]).__name__, getattr(modules[0], "weight", None)
    shape = " × ".join(map(str, own.shape)) if isinstance(own, nn.Parameter) else ""
    return _Line(
        name=name,
        kind=kind if len(modules) == 1 else f"{len(modules)} {kind}",
        shape=shape,
        weights=sum(map(weight_count, modules)),
        trained=sum(_trained(module) for module in modules),
        megabytes=sum(sum(weight_mb(module)) for module in modules),
    )


def _trained(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as text, words to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = 3  # columns before the numbers
    return [
        "  ".join(
            cell.ljust(width) if at < words else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
