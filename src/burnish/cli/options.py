"""Options that several commands share, so that they read the same everywhere."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

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
