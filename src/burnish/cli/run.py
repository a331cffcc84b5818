"""Commands that act on a recipe: run, resume, check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.options import Json, Out, RecipePath, Set, print_json, read_recipe
from burnish.cli.progress import announce, stoppable
from burnish.errors import BurnishError, GateError

if TYPE_CHECKING:
    from burnish.pipeline.run import Outcome

_RESUME = "`burnish resume {folder}` goes on from the last checkpoint"
Gate = Annotated[bool, typer.Option("--gate", help="Exit 1 unless the verdict is ship.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(run)
    app.command()(resume)
    app.command()(check)


def run(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="[RECIPE]", help="Recipe file; none: the starter.")
    ] = None,
    overrides: Set = None,
    out: Out = None,
    gate: Gate = False,
    as_json: Json = False,
) -> None:
    """Train, evaluate and report, into a new run folder. Exit 1 with --gate if not `ship`."""
    from burnish.recipe.starter import starter_path

    loaded = read_recipe(recipe or starter_path(), overrides)
    from burnish.pipeline import run as pipeline

    with stoppable("run folder", _RESUME) as started:
        outcome = pipeline.run(loaded, out=out, announce=announce, started=started)
    _tell(outcome, gate=gate, as_json=as_json)


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    gate: Gate = False,
    as_json: Json = False,
) -> None:
    """Go on from the last good checkpoint of an interrupted run."""
    from burnish.runfolder import RunFolder

    opened = RunFolder.open(folder)
    loaded = read_recipe(opened.recipe)
    from burnish.pipeline import run as pipeline

    with stoppable("run folder", _RESUME) as started:
        outcome = pipeline.resume(loaded, opened, announce=announce, started=started)
    _tell(outcome, gate=gate, as_json=as_json)


def check(
    recipe: RecipePath, overrides: Set = None, out: Out = None, as_json: Json = False
) -> None:
    """Check recipe and data without training; write nothing but what --out names."""
    try:
        loaded = read_recipe(recipe, overrides)
    except BurnishError as err:
        if as_json:
            from burnish.pipeline.check import Checked

            print_json(Checked.refused(err).to_json())
        raise
    from burnish.cli.display import show_check
    from burnish.pipeline.check import check as check_recipe

    checked = check_recipe(loaded, out=out)
    if as_json:
        print_json(checked.to_json())
    elif checked.entries:
        show_check(checked)
    if checked.error:
        raise checked.error


def _tell(outcome: "Outcome", *, gate: bool, as_json: bool) -> None:
    from burnish.cli.display import show_outcome

    if as_json:
        print_json(outcome.to_json())
    else:
        show_outcome(outcome)
    if gate and outcome.verdict["verdict"] != "ship":
        raise GateError(
            f"the verdict is {outcome.verdict['verdict']}: {'; '.join(outcome.verdict['reasons'])}",
            where=str(outcome.folder.verdict),
            fix="read the report; ship the cheaper system, or label more rows",
        )
