"""The kinds of answers a task may have, asked for in one place.

A metric, a baseline and a section of the report each say by one of these functions to which
tasks they apply; nothing else of evaluation asks what kind a task is.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from burnish.records import LabelSpace, Space, TextSpace


def is_labels(space: Space) -> TypeGuard[LabelSpace]:
    """Whether answers are label names."""
    return isinstance(space, LabelSpace)


def is_texts(space: Space) -> TypeGuard[TextSpace]:
    """Whether answers are free texts."""
    return isinstance(space, TextSpace)


def is_any(space: Space) -> bool:  # noqa: ARG001 - one of the family
    """Whether there are answers at all, as in every task."""
    return True


def is_binary(space: Space) -> bool:
    """Whether there are two labels, one of them the class of interest."""
    return is_labels(space) and space.is_binary


def is_multi_label(space: Space) -> bool:
    """Whether a row may have any number of labels."""
    return is_labels(space) and space.multi_label


def task_words(space: Space) -> str:
    """Return the kind of task in a word, as in "does not fit a binary task"."""
    kinds = {"text": is_texts, "multi-label": is_multi_label, "binary": is_binary}
    return next((word for word, holds in kinds.items() if holds(space)), "multi-class")


def space_words(space: Space) -> str:
    """Return the answers there may be: the labels' names, or "free texts"."""
    return ", ".join(space.names) if is_labels(space) else "free texts"


def space_from_json(value: Any) -> Space | None:
    """Return the space that `to_json` wrote, of either kind; None where there is none."""
    if not isinstance(value, Mapping):
        return None
    if value.get("texts"):
        return TextSpace()
    return LabelSpace.from_json(value) if value.get("labels") else None
