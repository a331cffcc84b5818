"""Options that several commands share, so that they read the same everywhere."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from burnish.recipe.recipe import Recipe

Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; repeatable."),
]
RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file, YAML.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write there.")]
NewFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="A new or empty folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Run folder, model folder, hub id, or models:/NAME@ALIAS."
    ),
]
TrackingUri = Annotated[
    str, typer.Option("--tracking-uri", help="MLflow store that models:/ URIs are looked up in.")
]
STORE = "sqlite:///burnish.db"  # where runs are tracked unless told otherwise


def read_recipe(path: Path, overrides: Sequence[str] | None = None) -> "Recipe":
    """Return a recipe with `--set` applied.

    To be called before the libraries of models are imported, which takes seconds: whoever made a
    slip in a recipe is told at once.
    """
    from burnish.recipe.load import load_recipe

    return load_recipe(path, overrides or ())


def say(text: str = "") -> None:
    """Write progress and remarks to standard error."""
    typer.echo(text, err=True)


class Told(Protocol):
    """What a command found, as `--json` prints it."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""


def answer(found: Told, place: Path, *, as_json: bool) -> None:
    """Print what was found, or where it lies."""
    if as_json:
        print_json(found.to_json())
    else:
        typer.echo(place)


def print_json(value: Any) -> None:
    """Write one JSON document to standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
