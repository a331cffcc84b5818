"""Commands about recipes themselves: schema, init."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import print_json, say


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(schema)
    app.command()(init)


def schema(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="A dotted key to explain.")
    ] = None,
) -> None:
    """Print the JSON Schema of recipes, or what one key means."""
    from burnish.recipe.explain import explain
    from burnish.recipe.recipe import Recipe

    if key:
        typer.echo(explain(key))
    else:
        print_json(Recipe.model_json_schema(by_alias=True))


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    task: Annotated[str, typer.Option("--task", help="Kind of task.")] = "text-classification",
) -> None:
    """Start a project: recipe, sample data, Dockerfile, GitHub Actions workflow."""
    from burnish.pipeline.project import start_project

    for path in start_project(folder, task=task):
        say(f"wrote {path}")
    typer.echo(f"next: cd {folder} && burnish check recipe.yaml && burnish run recipe.yaml")
