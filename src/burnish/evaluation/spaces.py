"""The kinds of answers a task may have, asked for in one place.

A metric, a baseline and a section of the report each say by one of these functions to which
tasks they apply; nothing else of evaluation asks what kind a task is.
"""

from collections.abc import Mapping
from typing import Any, TypeGuard

from burnish.records import LabelSpace, PlainSpace, Space, TextSpace


def is_labels(space: Space) -> TypeGuard[LabelSpace]:
    """Whether answers are label names."""
    return isinstance(space, LabelSpace)


def is_texts(space: Space) -> TypeGuard[TextSpace]:
    """Whether answers are free texts."""
    return isinstance(space, TextSpace)


def is_plain(space: Space) -> TypeGuard[PlainSpace]:
    """Whether nothing is answered: texts are found likely or not."""
    return isinstance(space, PlainSpace)


def has_likelihoods(space: Space) -> bool:
    """Whether a system may tell how likely it finds a text: a reference, or the row itself."""
    return not is_labels(space)


def is_any(space: Space) -> bool:  # noqa: ARG001 - one of the family
    """Whatever the task is."""
    return True


def is_binary(space: Space) -> bool:
    """Whether there are two labels, one of them the class of interest."""
    return is_labels(space) and space.is_binary


def is_multi_label(space: Space) -> bool:
    """Whether a row may have any number of labels."""
    return is_labels(space) and space.multi_label


def task_words(space: Space) -> str:
    """Return the kind of task in a word, as in "does not fit a binary task"."""
    kinds = {
        "text": is_texts,
        "plain-text": is_plain,
        "multi-label": is_multi_label,
        "binary": is_binary,
    }
    return next((word for word, holds in kinds.items() if holds(space)), "multi-class")


def space_words(space: Space) -> str:
    """Return the answers there may be: the labels' names, "free texts", or "no answers"."""
    if is_labels(space):
        return ", ".join(space.names)
    return "free texts" if is_texts(space) else "no answers"


def space_from_json(value: Any) -> Space | None:
    """Return the space that `to_json` wrote, of any kind; None where there is none."""
    if not isinstance(value, Mapping):
        return None
    if value.get("texts"):
        return TextSpace()
    if value.get("plain"):
        return PlainSpace()
    return LabelSpace.from_json(value) if value.get("labels") else None
