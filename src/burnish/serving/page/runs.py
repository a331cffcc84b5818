"""What a run folder tells of the model that is served from it: verdict, scores, card, examples.

Everything is optional: a file that is missing or unreadable leaves its part of the page out, and
the log says so. A page must not fail for want of a file that serving does not need.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from burnish.errors import BurnishError
from burnish.files import read_json
from burnish.records import Prediction
from burnish.runfolder import RunFolder, read_predictions
from burnish.serving.logs import tell_failure

T = TypeVar("T")

_MOST_ROWS = 2000  # of the judged split, looked at for examples
_MOST_SHOWN = 24
_MOST_CHARACTERS = 4000  # of one text
_MOST_CARD = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One judged row: what was asked, what should be answered, and what was."""

    text: str
    reference: tuple[str, ...] | None
    base: tuple[str, ...] | None  # None: the run has no base to compare with
    tuned: tuple[str, ...]

    @property
    def is_right(self) -> bool:
        """Whether the tuned model gave the labels of the reference, in any order."""
        return set(self.tuned) == set(self.reference or ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is known of a model beside the model."""

    card: str = ""  # Markdown
    verdict: dict[str, Any] = field(default_factory=dict)
    scores: list[dict[str, Any]] = field(default_factory=list)
    examples: tuple[Example, ...] = ()

    @property
    def compares(self) -> bool:
        """Whether the base answered the examples too."""
        return any(one.base is not None for one in self.examples)


def told_of(reference: str) -> Told:
    """Return what the folder that a model was named by tells; nothing where it is a URI."""
    folder = Path(reference)
    if not folder.is_dir():
        return Told()
    card = _or(_card, "", folder / "model" if (folder / "model").is_dir() else folder)
    root = next((one for one in (folder, folder.parent) if (one / "recipe.yaml").is_file()), None)
    if root is None:
        return Told(card=card)
    run = RunFolder(root)
    verdict: dict[str, Any] = _or(read_json, {}, run.verdict)
    split = str(verdict.get("split", "test"))
    scores: list[dict[str, Any]] = _or(read_json, [], run.scores)
    return Told(
        card=card,
        verdict=verdict,
        scores=[one for one in scores if one.get("split") == split],
        examples=_or(partial(_examples, split=split), (), run),
    )


def chosen(examples: Sequence[Example], which: str) -> list[Example]:
    """Return up to 24 examples, evenly spaced over the rows so that none is picked by hand.

    Args:
        examples: judged rows.
        which: `all`, `changed` (tuned and base differ), or `wrong` (tuned and reference differ).
    """
    kept = [
        one
        for one in examples
        if which == "all"
        or (which == "changed" and one.base is not None and set(one.base) != set(one.tuned))
        or (which == "wrong" and not one.is_right)
    ]
    step = max(1, len(kept) // _MOST_SHOWN)
    return kept[::step][:_MOST_SHOWN]


def _or(read: Callable[[Any], T], missing: T, place: Any) -> T:
    """Return what a function reads, or the other value where it cannot."""
    try:
        return read(place)
    except (BurnishError, OSError, ValueError, KeyError, AttributeError, pl.exceptions.PolarsError):
        tell_failure("page reads without", place=str(getattr(place, "root", place)))
        return missing


def _card(folder: Path) -> str:
    """Return a model card without its header of keys."""
    place = folder / "README.md"
    if not place.is_file():
        return ""
    text = place.read_text("utf-8")[:_MOST_CARD]
    head, mark, rest = text.removeprefix("---\n").partition("\n---\n")
    return rest.strip() if mark and head and text.startswith("---\n") else text


def _examples(run: RunFolder, *, split: str) -> tuple[Example, ...]:
    rows = pl.read_parquet(
        run.splits / f"{split}.parquet", columns=["id", "text"], n_rows=_MOST_ROWS
    )
    tuned = _by_id(run.predictions("tuned", split))
    base = _by_id(run.predictions("base", split))
    return tuple(
        Example(
            text=text[:_MOST_CHARACTERS],
            reference=tuned[name].reference,
            base=base[name].answer if name in base else None,
            tuned=tuned[name].answer,
        )
        for name, text in rows.iter_rows()
        if name in tuned
    )


def _by_id(place: Path) -> dict[str, Prediction]:
    return {one.example_id: one for one in read_predictions(place)} if place.is_file() else {}
