"""Commands about the machine and its stores: doctor, ui."""

from typing import Annotated

import typer

from burnish.cli.options import STORE, Json, print_json


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(doctor)
    app.command()(ui)


def doctor(as_json: Json = False) -> None:
    """Tell what this machine can do: cores, precision, threads, GPU, hub, starter models."""
    from burnish.cli.display import show_doctor
    from burnish.pipeline.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        show_doctor(findings)


def ui(
    uri: Annotated[str, typer.Option("--uri", help="MLflow store.")] = STORE,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port.")] = 5000,
) -> None:
    """Open MLflow's page on the runs kept so far; Ctrl-C ends it."""
    from burnish.pipeline.ui import serve_ui

    raise typer.Exit(serve_ui(uri, port=port))
