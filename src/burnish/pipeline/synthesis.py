"""Make up rows and keep them with the specification they came from."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish.data.synthesis.fill import make_up
from burnish.data.synthesis.made import shipped_spec
from burnish.data.synthesis.spec import read_spec
from burnish.files import empty_folder, write_jsonl, write_text
from burnish.recipe.document import written


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesised:
    """A folder of made-up rows, which a recipe's `data.from` can name."""

    folder: Path
    rows: dict[str, int]  # by part
    nulls: dict[str, int]  # rows without a text, by part

    def to_json(self) -> dict[str, Any]:
        """Return what `burnish data synth --json` prints."""
        return asdict(self) | {"folder": str(self.folder)}


def synthesise(
    spec: Path | None, out: Path, *, rows: int | None = None, seed: int | None = None
) -> Synthesised:
    """Write train.jsonl, test.jsonl where rows are held out, spec.yaml and sentences.txt.

    Args:
        spec: the specification; None: that of a sports brand, which comes with Burnish.
        out: a new or empty folder.
        rows: training rows, in place of what the specification says.
        seed: likewise.

    Raises:
        RecipeError: BN101, faults of the specification.
        EmptyDataError: BN205, it cannot make so many different rows.
        StorageError: BN402, the folder holds something, or cannot be written.
    """
    found = read_spec(spec, rows=rows, seed=seed) if spec else shipped_spec(rows=rows, seed=seed)
    made = make_up(found)
    folder = empty_folder(out, fix="remove it, or name another with `--out`")
    parts = {"train": made.train} | ({} if made.test is None else {"test": made.test})
    for name, frame in parts.items():
        write_jsonl(folder / f"{name}.jsonl", frame.iter_rows(named=True))
    write_text(folder / "spec.yaml", written(found.model_dump(mode="json")))
    if found.sentences:
        write_text(folder / "sentences.txt", "\n".join(found.sentences) + "\n")
    return Synthesised(
        folder=folder,
        rows={name: frame.height for name, frame in parts.items()},
        nulls={name: frame["text"].null_count() for name, frame in parts.items()},
    )
