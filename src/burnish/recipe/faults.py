"""All that is wrong with a recipe, in one error: each fault with its key, line and near name.

Pydantic tells a fault of each member of a union, and puts the member's name into the place; people
are told once, and by the keys that they wrote.

Called by `recipe.load`.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from burnish.errors import RecipeError
from burnish.recipe.document import Document, KeyPath
from burnish.recipe.fields import NAMED, SHORTHAND, kinds, known_keys, near_key

_UNION_MEMBERS = {"float", "int", "str", "constrained-float", "constrained-int"}
# What holds several sections, each of one of several kinds → those, as in `fields.kinds`.
_OF_KINDS = {"data.signals": f"data.signals.{NAMED}", "data.rules": "data.rules"}
_NO_KIND = ("union_tag_invalid", "union_tag_not_found")


def recipe_error(
    err: ValidationError, document: Document, texts: dict[KeyPath, str]
) -> RecipeError:
    """Return all faults as one error, one a line.

    Args:
        err: what pydantic found.
        document: the recipe as it was written, for the lines.
        texts: key → text of each `--set`, which stands in no line.
    """
    faults: dict[str, None] = {}  # an ordered set: union members repeat a fault
    for error in _told(err.errors()):
        location = _plain(error["loc"])
        if error["type"] in _NO_KIND and isinstance(error["input"], dict):
            location = (*location, "kind")
        is_set = any(location[:depth] in texts for depth in range(1, len(location) + 1))
        told = "--set" if is_set else document.place_of(location)
        place = f" ({told})" if told else ""
        key = ".".join(map(str, location)) or "(recipe)"
        faults[f"{key}: {_message(error, location)}{place}"] = None
    listed = "\n    ".join(faults)
    return RecipeError(
        f"{len(faults)} fault(s)\n    {listed}",
        where=document.source,
        fix="edit those keys; `burnish schema KEY` tells a key's range, unit and meaning",
    )


def texts_wanted(err: ValidationError) -> set[KeyPath]:
    """Return the keys that must hold a text and hold something else."""
    return {_plain(one["loc"]) for one in _told(err.errors()) if one["type"] == "string_type"}


def _told(errors: Sequence[Any]) -> list[Any]:
    """Return the errors without those that a value of a union is no text, or no number.

    Left out only where another member of the union took the value's type and found it wrong.
    """
    by_place = defaultdict(list)
    for error in errors:
        by_place[_plain(error["loc"])].append(error)
    taken = {
        place: any(not one["type"].endswith(("_type", "literal_error")) for one in at_one)
        for place, at_one in by_place.items()
    }
    typed = ("int_type", "string_type")
    return [e for e in errors if e["type"] not in typed or not taken[_plain(e["loc"])]]


def _plain(location: Iterable[str | int]) -> KeyPath:
    """Return a key path as a user writes it: without what pydantic adds for members of unions.

    Such as the `lora` of method.lora.rank, `float`, `literal['auto']` and `tuple[str, ...]`.
    """
    parts = [p for p in location if isinstance(p, int) or not ({"[", "("} & {*p})]
    if _kind(parts):
        del parts[_union(parts)[1]]
    named = 2 if parts[:2] == ["data", "signals"] else -1  # a signal may be called `int`
    return tuple(p for at, p in enumerate(parts) if at == named or p not in _UNION_MEMBERS)


def _kind(location: Iterable[str | int]) -> str | None:
    """Return the kind that pydantic put into a location, such as the `lora` of method.lora.rank."""
    parts = [*location]
    section, at = _union(parts)
    kind = str(parts[at]) if at < len(parts) else ""
    return kind if kind in kinds(section) else None


def _union(location: Sequence[str | int]) -> tuple[str, int]:
    """Return the section of several kinds that a location is in, and where its kind stands."""
    beginning = ".".join(map(str, location[:2]))
    if beginning in _OF_KINDS:
        return _OF_KINDS[beginning], 3
    return (str(location[0]), 1) if location and location[0] in SHORTHAND else ("", len(location))


def _message(error: Any, location: KeyPath) -> str:
    if error["type"] == "extra_forbidden":
        kind = _kind(error["loc"])
        near = near_key(location, kind)
        known = ", ".join(known_keys(location[:-1], kind))
        return f"unknown key; did you mean `{near}`?" if near else f"unknown key; known: {known}"
    if error["type"] == "missing":
        return "is required"
    if error["type"] in _NO_KIND:
        return _no_such_kind(location, error["input"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:] + _given(error.get("input"))


def _no_such_kind(location: KeyPath, section: Any) -> str:
    """Say which kinds a section may be of; `section` is what was written in its place."""
    if not isinstance(section, dict):
        return f"input should be an object{_given(section)}"
    every = kinds(_union(location)[0])
    known = [f"{kind!r}" for kind in every]
    given = section.get("kind")
    near = get_close_matches(given, every, n=1) if isinstance(given, str) else ()
    told = f"input should be {', '.join(known[:-1])} or {known[-1]}{_given(given)}"
    return f"{told}; did you mean `{near[0]}`?" if near else told


def _given(value: Any) -> str:
    is_plain = isinstance(value, str | int | float | bool) or value is None
    return f"; it is {json.dumps(value)[:80]}" if is_plain else ""
