"""Read YAML so that nothing in it is lost, guessed or made up, and each value keeps its line.

YAML 1.1, which PyYAML speaks, reads `no` as false, `3e-5` as a string, `1_000` as a number and
the second of two equal keys as the only one. Here scalars follow the YAML 1.2 core schema
(section 10.3.2), a repeated key is refused, and aliases are refused once they multiply.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from burnish.errors import RecipeError

MAX_BYTES = 1 << 20
MAX_NODES = 20_000

KeyPath = tuple[str | int, ...]


class _CoreLoader(yaml.SafeLoader):
    """SafeLoader with the scalars of the YAML 1.2 core schema."""


class _CoreDumper(yaml.SafeDumper):
    """SafeDumper that quotes each text which YAML 1.1 or the core schema would take for more."""


_CoreLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    for _of in (_CoreLoader, _CoreDumper):
        _of.add_implicit_resolver(
            f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first, ""]
        )


def _integer(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


_CoreLoader.add_constructor("tag:yaml.org,2002:int", _integer)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Outside double quotes these are read as a line feed, or as a blank.
    style = '"' if _OTHER_LINE_END.search(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_OTHER_LINE_END = re.compile("[\r\x85\u2028\u2029]")
_CoreDumper.add_representer(str, _text)


@dataclass(frozen=True, slots=True)
class Document:
    """A mapping read from YAML, and the line of each of its values."""

    values: dict[str, Any]
    lines: dict[KeyPath, int]  # key path → 1-based line
    source: str
    # Key path → the other file in which it stands, of a recipe that this one extends.
    files: dict[KeyPath, str] = field(default_factory=dict)

    def place_of(self, path: KeyPath) -> str:
        """Return `line 7`, or `line 7 of base.yaml`, as `line_of`; empty: not written."""
        while path and path not in self.lines:
            path = path[:-1]
        if not path:
            return ""
        file = f" of {self.files[path]}" if path in self.files else ""
        return f"line {self.lines[path]}{file}"

    def line_of(self, path: KeyPath) -> int | None:
        """Return the line of a key path, or of the nearest part of it that was written."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read_document(path: Path) -> Document:
    """Return the mapping in a YAML file.

    Raises:
        RecipeError: BN101, with the line: not there, not UTF-8, not YAML, not a mapping, too
            large, a key twice, or aliases that multiply.
    """
    try:
        raw = path.read_bytes()
    except OSError as err:
        raise RecipeError(
            f"cannot be read: {err.strerror}",
            where=str(path),
            fix="name an existing recipe file, or make one with `burnish init DIR`",
        ) from err
    if len(raw) > MAX_BYTES:
        raise RecipeError(
            f"{len(raw):,} bytes; a recipe may have {MAX_BYTES:,}",
            where=str(path),
            fix="keep rows in data files, and name them in the recipe",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        raise RecipeError(
            f"byte {err.start} is not UTF-8",
            where=f"{path}, line {line}",
            fix="save the file as UTF-8",
        ) from err
    return parse_document(text, source=str(path))


def parse_document(text: str, *, source: str) -> Document:
    """Return the mapping in YAML `text`; see `read_document` for the errors."""
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
        lines = dict(_lines(node, (), source, count())) if node else {}
        values = _construct(text)
    except (yaml.YAMLError, ValueError) as err:
        raise _not_yaml(err, source) from err
    except RecursionError as err:
        raise RecipeError(
            "is nested without end",
            where=source,
            fix="a recipe is at most four levels deep; write out what aliases (*name) repeat",
        ) from err
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(
            "holds no mapping of keys to values" if node else "is empty",
            where=source,
            fix="write at least `task`, `model` and `data`; `burnish init DIR` writes an example",
        )
    return Document(values, lines, source)


def parse_scalar(text: str) -> Any:
    """Return the value YAML gives to `text`, for `--set`. Raises RecipeError (BN101)."""
    try:
        value = _construct(text)
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise _not_yaml(err, "--set") from err
    return as_json(value, source="--set", allow_nan=True)  # what is not finite is told by its key


def as_json(value: Any, *, source: str, allow_nan: bool = False) -> Any:
    """Return a value as JSON has it: keys become strings, and what JSON cannot say is refused.

    Raises:
        RecipeError: BN101, it holds a date or a set, itself, half a character, or a number that
            is not finite.
    """
    try:
        made = json.loads(json.dumps(value, allow_nan=allow_nan))
        # Two halves of a character, as JSON escapes it, are one by now.
        json.dumps(made, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as err:
        raise RecipeError(
            f"a value is neither text, number, true, false, null, list nor mapping: {err}",
            where=source,
            fix="write it as text in quotes; numbers must be finite",
        ) from err
    return made


def written(value: Any) -> str:
    """Return plain values as YAML, which reading gives back to the last character."""
    dumped: str = yaml.dump(value, Dumper=_CoreDumper, sort_keys=False, allow_unicode=True)
    return dumped


def _construct(text: str) -> Any:
    # A SafeLoader underneath: it builds plain values only, never objects.
    return yaml.load(text, Loader=_CoreLoader)  # noqa: S506


def _lines(
    node: yaml.Node, path: KeyPath, source: str, visited: Iterator[int]
) -> Iterator[tuple[KeyPath, int]]:
    """Yield each key path with its line, counting nodes as often as aliases repeat them."""
    if next(visited) >= MAX_NODES:
        raise RecipeError(
            f"expands to more than {MAX_NODES:,} values",
            where=source,
            fix="write the values out instead of repeating them through aliases (*name)",
        )
    children: Iterable[tuple[str | int, int, yaml.Node]] = ()
    if isinstance(node, yaml.MappingNode):
        children = _values(node, path, source)
    elif isinstance(node, yaml.SequenceNode):
        children = ((i, item.start_mark.line + 1, item) for i, item in enumerate(node.value))
    for key, line, child in children:
        yield (*path, key), line
        yield from _lines(child, (*path, key), source, visited)


def _values(
    node: yaml.MappingNode, path: KeyPath, source: str
) -> Iterator[tuple[str, int, yaml.Node]]:
    """Yield key, line and value; a key that comes again is refused."""
    seen: dict[str, int] = {}
    for key_node, value in node.value:
        line = key_node.start_mark.line + 1
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else "?"
        if key in seen:
            raise RecipeError(
                f"key `{'.'.join(map(str, (*path, key)))}` is written twice",
                where=f"{source}, lines {seen[key]} and {line}",
                fix="keep one of them",
            )
        seen[key] = line
        yield key, line, value


def _not_yaml(err: Exception, source: str) -> RecipeError:
    mark = getattr(err, "problem_mark", None)
    problem = getattr(err, "problem", None) or str(err)
    return RecipeError(
        f"not valid YAML: {problem}",
        where=f"{source}, line {mark.line + 1}" if mark else source,
        fix="mend the syntax; a value needs quotes that holds `: ` or ` #`, or that begins with "
        "one of { [ * & ! % @ and is no list or mapping; tabs cannot indent",
    )
