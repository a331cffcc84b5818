"""Every key of the recipe with its type, range, default and description.

One walk over the typed sections serves the nearest-key hint, `burnish schema KEY`, the
reference page and the test that reads every description.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from burnish.recipe.recipe import Recipe
from burnish.recipe.section import Section

NAMED = "NAME"  # stands in a path for a name that the user gives
SHORTHAND = ("task", "method")  # a bare string there is the kind

_NUMBER = re.compile(r"\b(float|int)\b")
_SECTIONS = {dict: "sections by name", tuple: "list of sections"}  # what holds sections


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, as a user writes it."""

    path: str  # dotted; list items as [], kinds as method(lora), and NAME where users name things
    type: str
    default: str
    range: str
    description: str
    is_number: bool


def all_keys() -> list[Key]:
    """Return every key of the recipe, in the order of the sections."""
    return list(_keys(Recipe, ""))


def plain(key: Key) -> tuple[str, ...]:
    """Return the parts of a key's path as they are written in a file: without (kind) and []."""
    return tuple(part.split("(")[0].removesuffix("[]") for part in key.path.split("."))


def kinds(section: str) -> tuple[str, ...]:
    """Return the kinds of a section such as `task` or `data.signals.NAME`; empty: it has none."""
    ends = (f"{section}(", ").kind")
    paths = [key.path for key in all_keys()]
    return tuple(
        path.removeprefix(ends[0]).removesuffix(ends[1])
        for path in paths
        if path.startswith(ends[0]) and path.endswith(ends[1])
    )


def known_keys(path: tuple[str | int, ...], kind: str | None = None) -> list[str]:
    """Return the keys of the section at `path`, if need be of one kind; empty without one."""
    section = tuple(part for part in path if isinstance(part, str))
    keys = [key for key in all_keys() if _is_at(section, plain(key)[:-1])]
    return sorted({plain(key)[-1] for key in keys if kind in (None, _kind(key))})


def is_text(path: tuple[str | int, ...]) -> bool:
    """Whether the key at `path` takes a text, and nothing else but null."""
    written = tuple(part for part in path if isinstance(part, str))
    at = [key for key in all_keys() if _is_at(written, plain(key))]
    return bool(at) and all(key.type in ("str", "str | null") for key in at)


def near_key(path: tuple[str | int, ...], kind: str | None = None) -> str | None:
    """Return the known key nearest to the unknown one at the end of `path`.

    A key that stands in another section, or in another kind of the same, is found too, and told
    with its full path.
    """
    wrong = str(path[-1])
    if near := get_close_matches(wrong, known_keys(path[:-1], kind), n=1):
        return near[0]
    elsewhere: dict[str, Key] = {}
    # The last of those with one name is told: one of the same section, where there is one.
    for key in sorted(all_keys(), key=lambda key: plain(key)[:1] == path[:1]):
        last = plain(key)[-1]
        if last not in elsewhere or plain(elsewhere[last]) != plain(key):  # not a second kind's
            elsewhere[last] = key
    found = get_close_matches(wrong, elsewhere, n=1, cutoff=0.8)
    return elsewhere[found[0]].path if found else None


def _is_at(section: tuple[str, ...], known: tuple[str, ...]) -> bool:
    """Whether a section as it is written is the known one; any name stands for NAME."""
    return len(section) == len(known) and all(
        part in (NAMED, written) for written, part in zip(section, known, strict=True)
    )


def _kind(key: Key) -> str | None:
    """Return the kind a key belongs to, such as lora; None where its section has one form."""
    return key.path.partition("(")[2].partition(")")[0] or None


def _inner(annotation: Any) -> list[type[Section]]:
    """Return the section classes inside an annotation such as `tuple[Gate, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [section for part in get_args(annotation) for section in _inner(part)]


def _keys(section: type[Section], prefix: str) -> Iterator[Key]:
    for name, field in section.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        inner = _inner(field.annotation)
        yield _key(path, field)
        if get_origin(field.annotation) is dict:
            path = f"{path}.{NAMED}"
        for one in inner:
            kind = one.model_fields["kind"].default if len(inner) > 1 else None
            suffix = f"({kind})" if kind else "[]" if "tuple" in str(field.annotation) else ""
            yield from _keys(one, f"{path}{suffix}.")


def _key(path: str, field: FieldInfo) -> Key:
    text = _type(field.annotation)
    return Key(
        path=path,
        type=text,
        default=_default(field),
        range=_range(field),
        description=field.description or "",
        is_number=_NUMBER.search(text) is not None and "bool" not in text,
    )


def _type(annotation: Any) -> str:
    origin, members = get_origin(annotation), get_args(annotation)
    if _inner(annotation):
        return _SECTIONS.get(origin, "section")
    if origin is Annotated:
        return _type(members[0])
    if origin is Literal:
        return " | ".join(map(str, members))
    if origin is tuple:
        return f"list of {_type(members[0])}"
    if members:
        return " | ".join(map(_type, members))
    return "null" if annotation is NoneType else str(annotation.__name__)


def _default(field: FieldInfo) -> str:
    if isinstance(field.default, dict):
        return "{}"
    if isinstance(field.default, tuple):
        return "[" + ", ".join(map(_value, field.default)) + "]"
    return "required" if field.default is PydanticUndefined else _value(field.default)


def _value(default: Any) -> str:
    if isinstance(default, Section):
        return "its defaults"
    return "null" if default is None else str(default)


def _range(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    inside = [
        rule
        for member in get_args(field.annotation)  # Annotated members of a union
        for own in getattr(member, "__metadata__", ())
        for rule in getattr(own, "metadata", ())
    ]
    parts = [
        f"{sign} {getattr(rule, name)}"
        for rule in (*field.metadata, *inside)
        for name, sign in signs.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join(parts)
