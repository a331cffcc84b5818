"""The command that trains a recipe in several ways: `burnish tune`."""

from typing import Annotated

import typer

from burnish.cli.options import Json, Out, RecipePath, Set, answer, read_recipe, say
from burnish.cli.progress import announce, stoppable
from burnish.errors import UsageError

_GO_ON = "the same command with `--out {folder}` goes on with the trainings that are left"


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(tune)


def tune(
    recipe: RecipePath,
    curve: Annotated[
        bool, typer.Option("--curve", help="Train on nested parts of the rows.")
    ] = False,
    sizes: Annotated[
        int, typer.Option("--sizes", min=3, max=10, help="How many parts, each half of the next.")
    ] = 4,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=20, help="Trainings of each part.")
    ] = 1,
    out: Out = None,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Tell what more rows would bring: --curve trains on parts of them. Goes on once stopped."""
    if not curve:
        raise UsageError(
            "a search over recipe keys is not there yet",
            where="burnish tune",
            fix="ask for the learning curve: `burnish tune RECIPE --curve`",
        )
    loaded = read_recipe(recipe, overrides)
    from burnish.pipeline.curve import tune_curve

    with stoppable("learning curve", _GO_ON) as started:
        found = tune_curve(
            loaded, out=out, sizes=sizes, seeds=seeds, announce=announce, started=started
        )
    for sentence in found.told["words"]:
        say(sentence)
    answer(found, found.folder.page, as_json=as_json)
