"""The command that puts models to work: serve."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from burnish.cli.options import STORE, TrackingUri, say
from burnish.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(serve)


def serve(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Run folder, model folder, or models:/NAME@ALIAS."),
    ] = None,
    others: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME=REF", help="One more model; repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any free one.")] = 8000,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Inputs that may wait for a model; more get 503.")
    ] = 256,
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens computed at once; none: as suits the model.")
    ] = None,
    deadline: Annotated[
        float, typer.Option(min=0.1, help="Seconds a request may take; longer ones get 504.")
    ] = 60.0,
    max_body: Annotated[int, typer.Option(min=1024, help="Bytes of a request; more get 413.")] = (
        1 << 20
    ),
    drain: Annotated[
        float, typer.Option(min=0, help="Seconds between SIGTERM and refusing requests.")
    ] = 0.0,
    refresh: Annotated[
        float, typer.Option(min=0, help="Look models up anew every so many seconds; 0: on SIGHUP.")
    ] = 0.0,
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="API keys; none: everybody may ask.")
    ] = None,
    new_key: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Print a new key and its line for the file, and end."),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="Web pages from there may ask; repeatable."),
    ] = None,
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="A page at /page/ to try the models on.")
    ] = True,
    root_path: Annotated[
        str, typer.Option(metavar="PATH", help="What a proxy puts before the paths of the page.")
    ] = "",
    log_text: Annotated[bool, typer.Option("--log-text", help="Log what is asked.")] = False,
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"],
        typer.Option(
            help="auto: as the models were judged; bf16 and int8 round, and may be faster."
        ),
    ] = "auto",
    engine: Annotated[
        Literal["auto", "vllm"],
        typer.Option(help="What computes; vllm: decoders on a GPU, with the package vllm."),
    ] = "auto",
    tracking_uri: TrackingUri = STORE,
) -> None:
    """Answer over HTTP with saved models until SIGTERM; then finish what is at work."""
    from burnish.pipeline import serve as serving

    serving.check_packages()
    if new_key is not None:
        _print_new_key(new_key)
        return
    if model is None:
        raise UsageError(
            "no model is named", where="burnish serve", fix="write `burnish serve MODEL`"
        )
    from burnish.serving.settings import Settings

    serving.serve(
        serving.named_models(model, others or []),
        settings=Settings(
            max_queue=max_queue,
            batch_tokens=batch_tokens,
            deadline_s=deadline,
            body_bytes=max_body,
            drain_s=drain,
            refresh_s=refresh,
            origins=tuple(cors or ()),
            log_text=log_text,
            page=page,
            root_path=root_path,
        ),
        host=host,
        port=port,
        keys=keys,
        tracking_uri=tracking_uri,
        precision=precision,
        engine=engine,
    )


def _print_new_key(name: str) -> None:
    from burnish.serving.keys import new_key

    key, line = new_key(name)
    say("The key, which is shown once; below it, its line for the file of --keys:")
    typer.echo(f"{key}\n{line}")
