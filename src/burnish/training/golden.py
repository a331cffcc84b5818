"""Golden rows: a few judged rows that a model folder keeps, with the answers that were judged.

Whoever opens the folder elsewhere can so prove that it still answers the same: on another
machine, with other versions, in another form. `golden.json` stands beside the weights.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import polars as pl

from burnish.data.conversation import TURNS, Conversation
from burnish.files import read_json, unreadable, write_json
from burnish.records import Asked, Prediction

FILE = "golden.json"
_VERSION = 1
_ROWS: dict[Asked, int] = {"labels": 32, "nothing": 32, "texts": 8}  # writing takes longer
_LONGEST = 20_000  # characters of a text that is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRow:
    """One input, and what was said to it."""

    text: str
    turns: Conversation | None
    judged: Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Rows of one split, and in what arithmetic they were answered."""

    split: str
    exact: bool  # in fp32 on a processor
    rows: tuple[GoldenRow, ...]

    @classmethod
    def choose(
        cls,
        rows: pl.DataFrame,
        judged: Sequence[Prediction],
        *,
        count: int | None,
        asked: Asked,
        split: str,
        exact: bool,
    ) -> Self:
        """Take rows by a hash of their ids: the same ones whatever their order.

        Args:
            rows: of the split, with columns id and text, and perhaps turns.
            judged: the tuned model's answers to them.
            count: rows at most; None: 32, or 8 of a task that writes.
            asked: what the task wants answered.
            split: its name.
            exact: whether the answers were computed in fp32 on a processor.
        """
        told = {one.example_id: one for one in judged}
        short = rows.filter(pl.col("text").str.len_chars() <= _LONGEST).to_dicts()
        ordered = sorted(short, key=lambda row: hashlib.sha256(row["id"].encode()).digest())
        chosen = ordered[: _ROWS[asked] if count is None else count]
        return cls(
            split=split,
            exact=exact,
            rows=tuple(
                GoldenRow(
                    text=row["text"],
                    turns=row.get(TURNS),
                    judged=_without_reference(told[row["id"]], asked),
                )
                for row in chosen
            ),
        )

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Return what a model folder keeps; None where it keeps no rows.

        Raises:
            RunFolderError: BN601, the file is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        told = read_json(path)
        try:
            rows = tuple(
                GoldenRow(
                    text=str(row["text"]),
                    turns=row.get("turns"),
                    judged=Prediction.from_json(row),
                )
                for row in told["rows"]
            )
            return cls(split=str(told["split"]), exact=bool(told["exact"]), rows=rows)
        except (KeyError, TypeError, AttributeError, ValueError) as err:
            raise unreadable(path, err) from err

    def write(self, folder: Path) -> Path:
        """Write the rows beside a model's weights; return the file."""
        path = folder / FILE
        lines: list[dict[str, Any]] = [
            {"text": row.text, "turns": row.turns} | row.judged.to_json() for row in self.rows
        ]
        told = {"version": _VERSION, "split": self.split, "exact": self.exact, "rows": lines}
        write_json(path, told)
        return path


def _without_reference(judged: Prediction, asked: Asked) -> Prediction:
    """Leave out what was right, and scores of it: whoever asks anew does not know it."""
    return replace(judged, reference=None, scores={} if asked == "texts" else judged.scores)
