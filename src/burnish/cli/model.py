"""Commands that act on a model: predict, evaluate, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.options import STORE, Json, Model, Out, TrackingUri, answer, print_json, say
from burnish.data.file_form import FileForm
from burnish.errors import UsageError

if TYPE_CHECKING:
    from burnish.pipeline.answer import OpenModel
    from burnish.records import Prediction

TextColumn = Annotated[
    str | None,
    typer.Option("--text-column", help="Column with the text; none: as the run's recipe says."),
]
LabelColumn = Annotated[
    str | None, typer.Option("--label-column", help="Column with the label or labels.")
]
IdColumn = Annotated[
    str | None,
    typer.Option("--id-column", help="Column whose values answers carry; none: file and row."),
]
Encoding = Annotated[
    str | None,
    typer.Option("--encoding", help="Of a text file, such as cp1252; none: as the run's recipe."),
]


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command()(predict)
    app.command()(evaluate)
    app.command()(export)


def predict(
    model: Model,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="A text to answer; repeatable.")
    ] = None,
    in_: Annotated[
        Path | None, typer.Option("--in", metavar="FILE", help="Rows to answer.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Answers, JSON lines.")
    ] = None,
    text_column: TextColumn = None,
    id_column: IdColumn = None,
    encoding: Encoding = None,
    tracking_uri: TrackingUri = STORE,
    as_json: Json = False,
) -> None:
    """Answer new rows, one JSON line each: id, answer, scores.

    With --in and --out any number of rows: called again after an interruption it goes on.
    """
    from burnish.pipeline.answer import answer_file, answer_texts, open_model

    if (text is None) == (in_ is None):
        raise UsageError(
            "give either --text or --in, and not both",
            where="burnish predict",
            fix="write `burnish predict MODEL --text '…'` or `--in FILE --out FILE`",
        )
    form = FileForm(text_column=text_column, id_column=id_column, encoding=encoding)
    opened = open_model(model, tracking_uri=tracking_uri)
    if in_ and out:
        _answer_to_file(opened, in_, out, form, as_json=as_json)
        return
    if in_:
        answers, words = answer_file(opened, in_, form)
        say(words)
    else:
        answers = answer_texts(opened, text or [])
    _give(answers, out, as_json=as_json)


def _answer_to_file(
    model: "OpenModel", in_: Path, out: Path, form: FileForm, *, as_json: bool
) -> None:
    from burnish.cli.display import counting
    from burnish.pipeline.batch_answers import answer_to_file

    with counting("rows dealt with") as told:
        found = answer_to_file(model, in_, out, form, told=told)
    say(found.words)
    if found.faults:
        say(f"rows without an answer: {found.faults}")
    answer(found, found.out, as_json=as_json)


def _give(answers: "list[Prediction]", out: Path | None, *, as_json: bool) -> None:
    """Write answers that are few enough to be held, or print them."""
    from burnish.cli.display import show_answers
    from burnish.runfolder import write_predictions

    if out:
        write_predictions(out, answers)
        say(f"{len(answers)} answers in {out}")
    if as_json:
        print_json([one.to_json() for one in answers])
    elif not out:
        show_answers(answers)


def evaluate(
    model: Model,
    data: Annotated[Path, typer.Option("--data", metavar="FILE", help="Labelled rows.")],
    out: Out = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="Column whose equal values are alike: intervals are by whole groups."),
    ] = None,
    encoding: Encoding = None,
    tracking_uri: TrackingUri = STORE,
    as_json: Json = False,
) -> None:
    """Score a model on new labelled rows; --out keeps predictions and scores."""
    from burnish.cli.display import show_scores
    from burnish.pipeline.answer import open_model
    from burnish.pipeline.evaluate import evaluate_file

    opened = open_model(model, tracking_uri=tracking_uri)
    form = FileForm(
        text_column=text_column,
        label_column=label_column,
        group_column=group_column,
        encoding=encoding,
    )
    scores, told = evaluate_file(opened, data, form, out=out)
    say(told)
    if as_json:
        print_json([score.to_json() for score in scores])
    else:
        show_scores(scores)


def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    form: Annotated[
        str,
        typer.Option("--format", help="merged, onnx, onnx-int8, gguf (f16) or gguf-q8_0."),
    ],
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Write the model in another form, checked against the answers that were judged."""
    from burnish.pipeline.export import export as export_run

    place, parity = export_run(folder, form, out)
    say(parity.words)
    if as_json:
        print_json({"folder": str(place)} | parity.to_json())
    else:
        typer.echo(place)
