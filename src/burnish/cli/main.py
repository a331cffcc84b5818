"""The `burnish` command: which file holds which command, and how errors leave the program.

Exit codes: 0 done · 1 a gate said no · 2 the input is wrong · 3 the environment lacks
something · 70 a defect of Burnish · 130 / 143 stopped by a signal.
"""

import os
import signal
import sys
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Annotated, Any

import typer

import burnish
from burnish.cli import data, judge, machine, model, recipe, run, serve, tune
from burnish.errors import BurnishError

DEFECT = 70

app = typer.Typer(
    name="burnish",
    help="Fine-tune a language model on your own data and prove whether it is worth shipping.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time `--help` takes
)
for group in (run, tune, model, serve, judge, data, recipe, machine):
    group.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"burnish {burnish.__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it."),
    ] = False,
    _debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Hold the options that every command takes; `main` reads `--debug` before parsing."""


class _Pipe(FileIO):
    """A file to write to that takes no offence where nobody reads it any more."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def _outlive_reader() -> None:
    """Let a command end as it would, with its own status, where the reader leaves, such as `head`.

    Typer would end it there with 1, which is a gate's.
    """
    out = sys.stdout
    if out is None or out is not sys.__stdout__ or not isinstance(out, TextIOWrapper):
        return
    sys.stdout = TextIOWrapper(
        BufferedWriter(_Pipe(out.fileno(), "w", closefd=False)),
        encoding=out.encoding,
        errors=out.errors,
        line_buffering=out.line_buffering,
        write_through=out.write_through,
    )


def _stop(number: int, _frame: object) -> None:
    """End by the usual way out, so that what is open is closed, with status 128 + number."""
    sys.exit(128 + number)


def main(arguments: list[str] | None = None) -> None:
    """Run one command; errors of ours end in their message and exit code, never a traceback."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    _outlive_reader()
    signal.signal(signal.SIGTERM, _stop)
    # Polars then gives memory back at once, before a model wants it; read when it is loaded.
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    try:
        app([word for word in given if word != "--debug"])
    except BurnishError as err:
        if debug:
            raise
        typer.echo(str(err), err=True)
        sys.exit(err.exit_code)
    except Exception as err:
        if debug:
            raise
        typer.echo(
            f"[BN999] a defect of Burnish, not of your input: {type(err).__name__}: {err}\n"
            "  where: run the command again with --debug for the place\n"
            "  fix:   report it with that output",
            err=True,
        )
        sys.exit(DEFECT)
