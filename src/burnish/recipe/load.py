"""From a file and `--set` overrides to a valid recipe, or to one error that tells all faults.

Order: the file, what it `extends`, upgrades to the current version, `--set`, then validation.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from burnish.errors import RecipeError
from burnish.recipe.document import (
    Document,
    KeyPath,
    as_json,
    parse_scalar,
    read_document,
    written,
)
from burnish.recipe.faults import recipe_error, texts_wanted
from burnish.recipe.fields import SHORTHAND, is_text
from burnish.recipe.recipe import Recipe
from burnish.recipe.training import FullMethod

MAX_EXTENDS = 10
CURRENT = 1
_PLACE = re.compile("[0-9]{1,9}")  # in a list
# Version → what makes its values those of the next: an old file keeps working.
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe in `path`, with `key.path=value` overrides applied.

    Raises:
        RecipeError: BN101, listing every key that is unknown, missing or out of range, each
            with its line; rules between keys are checked once each key is good by itself.
    """
    document = _extended(read_document(path), path, ())
    return validate(replace(document, values=_upgraded(document.values)), overrides)


def _upgraded(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` in the current version; a file without `version` is a current one."""
    version = values.get("version", CURRENT)
    while isinstance(version, int) and version in UPGRADES:
        values = {**UPGRADES[version](values), "version": version + 1}
        version += 1
    return values


def validate(document: Document, overrides: Sequence[str] = ()) -> Recipe:
    """Return the recipe in `document`; see `load_recipe`."""
    values, texts = as_json(document.values, source=document.source), {}
    for override in overrides:
        key_path, text = _parse_override(override)
        texts[key_path] = text
        _put(values, key_path, _read_value(key_path, text), override)
    values = _spelt_out(values)
    if isinstance(values.get("method"), dict):
        values["method"].setdefault("kind", FullMethod().kind)
    try:
        return Recipe.model_validate_json(json.dumps(values))
    except ValidationError as err:
        # `--set name=2024` means the string where the field is one.
        wrong = texts_wanted(err)
        if not wrong & texts.keys():
            raise recipe_error(err, document, texts) from err
    for key_path in wrong & texts.keys():
        _put(values, key_path, texts[key_path], "")
    try:
        return Recipe.model_validate_json(json.dumps(values))
    except ValidationError as err:
        raise recipe_error(err, document, texts) from err


def dump_recipe(recipe: Recipe) -> str:
    """Return the recipe as YAML with every default written out; loading it gives `recipe`."""
    return written(recipe.model_dump(mode="json", by_alias=True))


def _spelt_out(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with sections in place of bare kinds, such as `method: lora`."""
    bare = {key: {"kind": values[key]} for key in SHORTHAND if isinstance(values.get(key), str)}
    return values | bare


def _extended(document: Document, path: Path, chain: tuple[Path, ...]) -> Document:
    """Return `document` laid over the recipe it extends."""
    if "extends" not in document.values:
        return document
    extends = document.values["extends"]
    if not isinstance(extends, str) or not extends:
        raise RecipeError(
            "`extends` is not the path of a recipe",
            where=f"{path}, line {document.line_of(('extends',))}",
            fix="write the path of one file, seen from this one, or leave the key out",
        )
    base_path = (path.parent / extends).resolve()
    if base_path in chain or len(chain) >= MAX_EXTENDS:
        raise RecipeError(
            f"`extends` comes back to {base_path.name}",
            where=f"{path}, line {document.line_of(('extends',))}",
            fix="let a recipe extend one that does not lead back to it",
        )
    base = _extended(read_document(base_path), base_path, (*chain, base_path))
    own = {key: value for key, value in document.values.items() if key != "extends"}
    below, above = _spelt_out(base.values), _spelt_out(own)
    seen = {key: line for key, line in base.lines.items() if _shows(key, below, above)}
    return Document(
        _laid_over(below, above),
        seen | document.lines,
        document.source,
        files={key: base.files.get(key, base.source) for key in seen},
    )


def _laid_over(below: Any, value: Any) -> Any:
    """Return `value` with what it does not say taken from `below`; a list replaces a list."""
    if _covers(below, value):
        return value
    return below | {key: _laid_over(below.get(key), inner) for key, inner in value.items()}


def _covers(below: Any, value: Any) -> bool:
    """Whether nothing of `below` is left under `value`."""
    if not (isinstance(below, dict) and isinstance(value, dict)):
        return True
    # Another `kind` is another section: the keys of the old one mean nothing to it.
    return bool(value.get("kind", below.get("kind")) != below.get("kind"))


def _shows(path: KeyPath, below: Any, value: Any) -> bool:
    """Whether what stands at a path of `below` still does with `value` laid over it."""
    for part in path:
        if _covers(below, value):
            return False
        if part not in value:
            return True
        below, value = below.get(part), value[part]
    return False


def _parse_override(override: str) -> tuple[KeyPath, str]:
    key, equals, text = override.partition("=")
    if not equals or not all(key.split(".")):
        raise RecipeError(
            f"{override!r} is not key.path=value",
            where="--set",
            fix="write for example `--set training.epochs=3`",
        )
    parts = key.strip().split(".")
    return tuple(int(part) if _PLACE.fullmatch(part) else part for part in parts), text


def _read_value(key_path: KeyPath, text: str) -> Any:
    """Return what YAML reads in `text`, or `text` itself where it reads nothing and may be one."""
    try:
        return parse_scalar(text)
    except RecipeError:
        if is_text(key_path):
            return text
        raise


def _put(values: Any, key_path: KeyPath, value: Any, override: str) -> None:
    """Set a nested value, making sections on the way; `task: kind` shorthand becomes a section."""
    for depth, part in enumerate(key_path[:-1]):
        if isinstance(values, list) and not _has(values, part):
            raise _no_such_place(override, key_path[: depth + 1])
        below = values[part] if _has(values, part) else None
        if isinstance(below, str) and depth == 0 and part in SHORTHAND:
            below = {"kind": below}
        if below is None:
            below = {}
        if not isinstance(below, dict | list):
            raise _no_such_place(override, key_path[: depth + 1])
        values[part] = below
        values = below
    last = key_path[-1]
    if isinstance(values, list) and not _has(values, last):
        raise _no_such_place(override, key_path)
    values[last] = value


def _has(values: Any, part: str | int) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return part in values


def _no_such_place(override: str, key_path: KeyPath) -> RecipeError:
    return RecipeError(
        f"`{'.'.join(map(str, key_path))}` holds no keys to set",
        where=f"--set {override}",
        fix="name a key of the recipe; `burnish schema` lists them",
    )
