"""Commands that act on finished runs: compare, report."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import Json, Out, print_json

Answers = Annotated[Path, typer.Argument(help="Run folder, or a prediction file.")]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(compare)
    app.command()(report)


def compare(
    a: Answers,
    b: Answers,
    metric: Annotated[
        str | None, typer.Option("--metric", help="Metric compared; none: the task's own.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare two runs or prediction files on the same rows: difference, interval, p."""
    from burnish.pipeline.compare import compare_paths

    comparison = compare_paths(a, b, metric=metric)
    if as_json:
        print_json(comparison.to_json())
    else:
        typer.echo(comparison.words)


def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    out: Out = None,
) -> None:
    """Make the report again from the run folder's files."""
    from burnish.evaluation.report.render import render
    from burnish.files import write_text
    from burnish.runfolder import RunFolder

    path = render(RunFolder.open(folder))
    if out:
        write_text(out / path.name, path.read_text("utf-8"))
        path = out / path.name
    typer.echo(path)
