"""Made-up rows as a source of data: `synth:brand`, or `synth:` and a specification's path."""

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

import polars as pl

from burnish.data.synthesis.fill import MadeUp, make_up
from burnish.data.synthesis.spec import Spec, read_spec
from burnish.data.table import ROW, Kind, Table, require_columns
from burnish.errors import DataNotFoundError
from burnish.files import path_errors

SYNTH = "synth:"
_SHIPPED = "brand"


def shipped_spec(*, rows: int | None = None, seed: int | None = None) -> Spec:
    """Return the specification of a sports brand, which comes with Burnish."""
    with as_file(files("burnish.data.synthesis").joinpath(f"{_SHIPPED}.yaml")) as path:
        return read_spec(path, rows=rows, seed=seed)


def parts_made(reference: str) -> tuple[str, ...]:
    """Return which parts a `synth:` reference has: train, and test where words are held out."""
    return ("train",) if _made(reference).test is None else ("train", "test")


def read_made(reference: str, part: str, *, columns: Mapping[str, Kind]) -> Table:
    """Return one part with the columns a recipe asks for.

    Args:
        reference: `synth:brand`, or `synth:path/to/spec.yaml`.
        part: train or test.
        columns: of `text`, `label`, `template` and the word lists.

    Raises:
        DataNotFoundError: BN201, there is no such specification, or no such part.
        ColumnError: BN204, another column is asked for.
        RecipeError: BN101, faults of the specification.
    """
    made = _made(reference)
    frame = made.train if part == "train" else made.test
    if frame is None or part not in ("train", "test"):
        raise DataNotFoundError(
            f"the specification makes no {part} rows",
            where=f"recipe key `data.{part}` ({reference})",
            fix="add `held_out` to it for test rows, or leave the key out",
        )
    require_columns(reference, columns, frame.columns)
    numbered = frame.select(*columns).with_row_index(ROW, offset=1)
    return Table(frame=numbered.with_columns(pl.col(ROW).cast(pl.Int64)), rows_in=frame.height)


def _made(reference: str) -> MadeUp:
    name = reference.removeprefix(SYNTH)
    if name == _SHIPPED:
        return _filled(shipped_spec().model_dump_json())
    where = f"recipe key `data.from` ({reference}), looked up from {Path.cwd()}"
    fix = f"use {SYNTH}{_SHIPPED}, or {SYNTH} and the path of a YAML file"
    with path_errors(DataNotFoundError, where=where, fix=fix):
        path = Path(name).expanduser()
        is_file = path.is_file()
    if not is_file:
        raise DataNotFoundError("no such specification", where=where, fix=fix)
    return _filled(read_spec(path).model_dump_json())


@lru_cache(maxsize=2)
def _filled(spec: str) -> MadeUp:
    return make_up(Spec.model_validate_json(spec))
