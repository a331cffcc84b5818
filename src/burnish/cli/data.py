"""Commands that make and choose rows on their own: `burnish data …`."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import Json, NewFolder, RecipePath, Set, answer, read_recipe, say

data = typer.Typer(help="Make and choose rows, without training on them.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    data.command()(synth)
    data.command()(select)
    data.command()(split)
    data.command()(dedupe)
    data.command("label-errors")(label_errors)
    app.add_typer(data, name="data")


def synth(
    out: NewFolder,
    spec: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SPEC]", help="Word lists and templates, YAML; none: a sports brand's."
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option("--rows", min=1, help="Training rows, in place of the file's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Seed, in place of the file's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make up labelled rows from word lists and templates."""
    from burnish.pipeline.synthesis import synthesise

    made = synthesise(spec, out, rows=rows, seed=seed)
    for name, count in made.rows.items():
        say(f"{name}: {count:,} rows, {made.nulls.get(name, 0):,} of them without a text")
    answer(made, made.folder, as_json=as_json)


def select(
    recipe: RecipePath,
    out: NewFolder,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Write the rows that a recipe's formula selects, and why each other row was left out."""
    loaded = read_recipe(recipe, overrides)
    from burnish.pipeline.selecting import write_selected

    found = write_selected(loaded, out)
    for part, kept in found.kept.items():
        say(f"{part}: {kept:,} rows selected, {found.left_out[part]:,} not, by {found.formula}")
    answer(found, found.folder, as_json=as_json)


def split(
    recipe: RecipePath,
    out: NewFolder,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Write the rows of each split as a run would divide them, each as it stood."""
    loaded = read_recipe(recipe, overrides)
    from burnish.pipeline.splitting import write_splits

    found = write_splits(loaded, out)
    told = ", ".join(f"{count:,} {name}" for name, count in found.rows.items())
    say(f"{told}; {found.dropped:,} left out by checks, rules and formula")
    answer(found, found.folder, as_json=as_json)


def dedupe(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows, in any format that is read.")],
    out: NewFolder,
    text_column: Annotated[
        str, typer.Option("--text-column", help="The column that is compared.")
    ] = "text",
    similarity: Annotated[
        float,
        typer.Option(
            "--similarity",
            min=0.7,
            max=1.0,
            help="Share of word pairs in common from which a row repeats another.",
        ),
    ] = 0.8,
    encoding: Annotated[str, typer.Option("--encoding", help="Of a text file.")] = "utf-8",
    as_json: Json = False,
) -> None:
    """Leave out rows that nearly repeat an earlier one; tell of each which one."""
    from burnish.pipeline.deduplication import deduplicate

    found = deduplicate(
        file, out, text_column=text_column, similarity=similarity, encoding=encoding
    )
    told = ", ".join(f"{count:,} {reason}" for reason, count in found.dropped.items()) or "none"
    say(f"{found.rows_in:,} rows in = {found.kept:,} kept + left out: {told}")
    answer(found, found.kept_file, as_json=as_json)


def label_errors(
    recipe: RecipePath,
    out: NewFolder,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Rank the training rows of a recipe by how likely their label is wrong."""
    loaded = read_recipe(recipe, overrides)
    from burnish.pipeline.label_check import check_labels

    found = check_labels(loaded, out)
    say(
        f"{found.rows:,} rows ranked, {found.flagged:,} of them flagged; "
        f"{found.conflicts:,} rows nearly repeat one that is labelled another way"
    )
    answer(found, found.folder / "label-errors.jsonl", as_json=as_json)
