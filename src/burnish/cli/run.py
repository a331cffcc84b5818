"""Commands that act on a recipe: run, resume, check."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.options import Json, Out, RecipePath, Set, print_json, say
from burnish.errors import GateError

if TYPE_CHECKING:
    from burnish.pipeline.run import Outcome

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
    from burnish.pipeline import run as pipeline
    from burnish.recipe.load import load_recipe
    from burnish.recipe.starter import starter_path

    loaded = load_recipe(recipe or starter_path(), overrides or ())
    with _stoppable() as started:
        outcome = pipeline.run(loaded, out=out, announce=_announce, started=started)
    _tell(outcome, gate=gate, as_json=as_json)


def resume(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    gate: Gate = False,
    as_json: Json = False,
) -> None:
    """Go on from the last good checkpoint of an interrupted run."""
    from burnish.pipeline import run as pipeline
    from burnish.recipe.load import load_recipe
    from burnish.runfolder import RunFolder

    opened = RunFolder.open(folder)
    loaded = load_recipe(opened.recipe)
    with _stoppable() as started:
        outcome = pipeline.resume(loaded, opened, announce=_announce, started=started)
    _tell(outcome, gate=gate, as_json=as_json)


def check(
    recipe: RecipePath, overrides: Set = None, out: Out = None, as_json: Json = False
) -> None:
    """Check recipe and data without training; write nothing but what --out names."""
    from burnish.cli.display import show_check
    from burnish.pipeline.check import check as check_recipe
    from burnish.recipe.load import load_recipe

    checked = check_recipe(load_recipe(recipe, overrides or ()), out=out)
    if as_json:
        print_json(checked.to_json())
    else:
        show_check(checked)
    if checked.error:
        raise checked.error


def _announce(node: str, description: str) -> None:
    say(f"· {description or node}")


@contextmanager
def _stoppable() -> Iterator[Callable[[Path], None]]:
    """Yield what is to be told the run folder; where the run is stopped, say how it goes on."""
    folders: list[Path] = []

    def started(folder: Path) -> None:
        say(f"run folder: {folder}")
        folders.append(folder)

    try:
        yield started
    except (KeyboardInterrupt, SystemExit):
        for folder in folders:
            say(f"stopped; `burnish resume {folder}` goes on from the last checkpoint")
        raise


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
