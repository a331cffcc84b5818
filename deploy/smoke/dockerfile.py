"""Read a Dockerfile: its stages, and of each its instructions in order.

Only what the Dockerfiles here use; anything else is an error, so that no line is passed over.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_KNOWN = frozenset(
    ("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER",
     "WORKDIR")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction; continued lines are joined."""

    number: int  # of its first line in the file
    word: str
    rest: str

    @property
    def exec_form(self) -> list[str]:
        """Return the arguments of a JSON list. Raises ValueError for the shell form."""
        found = json.loads(self.rest[self.rest.index("[") :])
        if not all(isinstance(one, str) for one in found):
            raise ValueError(f"line {self.number}: not a list of words")
        return list(found)


@dataclass(frozen=True, slots=True)
class Stage:
    """The instructions below one FROM."""

    name: str
    parent: str  # an image, or an earlier stage
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """All of a file."""

    arguments: dict[str, str]  # ARG before the first FROM
    stages: dict[str, Stage]

    def chain(self, name: str) -> list[Stage]:
        """Return a stage with those it is built on, the first one first."""
        stage = self.stages[name]
        above = self.chain(stage.parent) if stage.parent in self.stages else []
        return [*above, stage]

    def last(self, name: str, word: str) -> Line | None:
        """Return the instruction of that kind that holds for a stage."""
        lines = [line for stage in self.chain(name) for line in stage.lines if line.word == word]
        return lines[-1] if lines else None

    def sources(self) -> list[str]:
        """Return what is copied from the build context, without what an argument names."""
        copies = [
            one for stage in self.stages.values() for one in stage.lines if one.word == "COPY"
        ]
        plain = [copied(line.rest) for line in copies]
        found = [source for stage, sources, _ in plain if stage is None for source in sources]
        return [source for source in found if "$" not in source]


def parse(path: Path) -> Dockerfile:
    """Read a Dockerfile. Raises ValueError for an instruction that is not known here."""
    read = Dockerfile({}, {})
    stage: Stage | None = None
    for line in _lines(path.read_text("utf-8")):
        if line.word not in _KNOWN:
            raise ValueError(f"{path}:{line.number}: {line.word} is not known here")
        if line.word == "FROM":
            parent, _, name = line.rest.partition(" AS ")
            parent = expand(parent.strip(), read.arguments)
            stage = Stage(name.strip() or str(len(read.stages)), parent)
            read.stages[stage.name] = stage
        elif stage is None:
            name, _, value = line.rest.partition("=")
            read.arguments[name] = value
        else:
            stage.lines.append(line)
    return read


def copied(rest: str) -> tuple[str | None, list[str], str]:
    """Return the stage a COPY takes from, or None, its sources and its destination."""
    words = shlex.split(rest)
    flags = [word for word in words if word.startswith("--")]
    *sources, destination = [word for word in words if not word.startswith("--")]
    stage = next((flag[7:] for flag in flags if flag.startswith("--from=")), None)
    return stage, sources, destination


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $NAME and ${NAME}; a name without a value is left empty, as Docker does."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda m: values.get(m[1] or m[2], ""), text)


def _lines(text: str) -> list[Line]:
    found: list[Line] = []
    parts: list[str] = []
    first = 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        first = first if parts else number
        parts.append(line.removesuffix("\\").strip())
        if not line.endswith("\\"):
            word, _, rest = " ".join(parts).partition(" ")
            found.append(Line(first, word.upper(), rest.strip()))
            parts = []
    return found
