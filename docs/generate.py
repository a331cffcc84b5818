"""Write the reference pages from the code, or with `--check` say which are out of date.

`make docs` runs it, and `make check` runs it with `--check`, so a key, an error or a command
without its line in the reference cannot land.
"""

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from burnish import errors
from burnish.cli.main import app
from burnish.errors import BurnishError
from burnish.recipe.fields import all_keys
from burnish.recipe.recipe import Recipe

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Made by `make docs` from the code; do not edit. -->\n"


def recipe_page() -> str:
    """Return the page of all recipe keys."""
    rows = [
        f"| `{key.path}` | {_cell(key.type)} | {_cell(key.default)} | {key.range} "
        f"| {_cell(key.description)} |"
        for key in all_keys()
    ]
    head = ["| key | type | default | range | meaning |", "|---|---|---|---|---|"]
    table = "\n".join([*head, *rows])
    return f"# Recipe keys\n{NOTE}\n`burnish schema KEY` tells the same about one key.\n\n{table}\n"


def errors_page() -> str:
    """Return the page of all error codes."""
    found = sorted(
        (kind for _, kind in inspect.getmembers(errors, inspect.isclass) if _is_ours(kind)),
        key=lambda kind: kind.code,
    )
    rows = [
        f"| {kind.code} | {kind.exit_code} | `{kind.__name__}` | {_first_line(kind)} |"
        for kind in found
    ]
    table = "\n".join(["| code | exit status | name | means |", "|---|---|---|---|", *rows])
    return (
        f"# Errors\n{NOTE}\nEach message says what is wrong, where, and the fix. Exit status 70 "
        f"with BN999 is a defect of Burnish itself.\n\n{table}\n"
    )


def commands_page() -> str:
    """Return the page of all commands with their options."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="burnish")
    return "\n".join([f"# Commands\n{NOTE}", *_helps(group, context, "")])


def _helps(group: Any, context: typer.Context, before: str) -> Iterator[str]:
    """Yield the help of each command of a group, and of the groups in it."""
    for name, command in group.commands.items():
        inner = typer.Context(command, info_name=name, parent=context)
        if hasattr(command, "commands"):
            yield from _helps(command, inner, f"{name} ")
        else:
            yield f"## {before}{name}\n```text\n{command.get_help(inner)}\n```\n"


def schema_page() -> str:
    """Return the JSON Schema of recipes, for editors."""
    return json.dumps(Recipe.model_json_schema(by_alias=True), indent=2, ensure_ascii=False) + "\n"


PAGES = {
    "recipe.md": recipe_page,
    "errors.md": errors_page,
    "commands.md": commands_page,
    "recipe.schema.json": schema_page,
}


def _is_ours(kind: type) -> bool:
    return issubclass(kind, BurnishError) and kind is not BurnishError


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the pages, or compare them; return the exit status."""
    checking = "--check" in sys.argv[1:]
    stale = []
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if checking and (not path.exists() or path.read_text("utf-8") != text):
            stale.append(name)
        elif not checking:
            REFERENCE.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
