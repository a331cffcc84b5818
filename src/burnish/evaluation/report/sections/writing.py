"""How long the answers are, and how much of them is copied or said twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.report.runfiles import Absent, RunFiles
from burnish.evaluation.report.scales import Tick, scale_of
from burnish.evaluation.report.sections.side_by_side import systems_shown
from burnish.evaluation.report.words import count
from burnish.evaluation.texts import Texts
from burnish.evaluation.writing import word_counts, writing_of

REFERENCE = "reference"
_MOST_ROWS = 2000  # looked through for copies; evenly chosen where there are more
_MOST_BARS = 24
_TAIL = 0.99  # lengths beyond this point of the distribution share the last bar
_ROUND = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500)

# (what it is, the figure, whether it is a share)
_FIGURES: tuple[tuple[str, str, bool], ...] = (
    ("Words in the median answer", "words", False),
    ("Cut off by the limit of length", "hit_limit", True),
    ("Empty", "empty", True),
    ("Copied whole from the input", "copied_whole", True),
    ("Runs of 4 words found in the input", "copied_runs", True),
    ("Runs of 4 words said before in the same answer", "repeated_runs", True),
    ("Different answers among all", "distinct", True),
)


def view(run: RunFiles) -> dict[str, Any]:
    """Return the histogram of lengths, and a table of figures by system."""
    tuned = run.texts()
    rows, inputs = _evenly(len(tuned)), run.inputs()
    looked_at = tuned.take(rows)
    systems = {name: _same_rows(run.texts(name), looked_at.ids) for name in systems_shown(run)}
    found = writing_of(
        {name: texts.answers for name, texts in systems.items()}
        | {REFERENCE: [accepted[0] for accepted in looked_at.references]},
        [inputs.get(key, "") for key in looked_at.ids] if inputs else None,
        {name: texts.complete for name, texts in systems.items()},
    )
    return {
        "chart": _histogram(
            word_counts(tuned.answers),
            word_counts([accepted[0] for accepted in tuned.references]),
        ),
        "names": list(found),
        "figures": [
            (words, [getattr(writing, key) for writing in found.values()], share)
            for words, key, share in _FIGURES
        ],
        "inputs": bool(inputs),
        "looked_at": len(rows),
        "n": len(tuned),
    }


def _evenly(n: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, n - 1, min(n, _MOST_ROWS)).round().astype(np.intp))


def _same_rows(texts: Texts, ids: Sequence[str]) -> Texts:
    """Return a system's answers to the given rows.

    Raises:
        Absent: it did not answer all of them.
    """
    place = {key: row for row, key in enumerate(texts.ids)}
    if missing := next((key for key in ids if key not in place), None):
        raise Absent(f"The systems answered other rows; one lacks {missing}.")
    return texts.take([place[key] for key in ids])


def _histogram(tuned: NDArray[np.int64], reference: NDArray[np.int64]) -> dict[str, Any]:
    """Return bars of both, side by side; each bar holds the lengths of one bin."""
    bins = _bins(np.concatenate([tuned, reference]))
    shares = [bins.shares(lengths) for lengths in (tuned, reference)]
    height = scale_of(np.concatenate(shares), wanted=4, include=[0.0], label=_percent)
    return {
        "ticks": bins.ticks(),
        "y": height,
        "bars": [
            {
                "at": round(100 * (bar + 0.12 + 0.38 * side) / bins.number, 3),
                "wide": round(38 / bins.number, 3),
                "high": height.at(float(shares[side][bar])),
                "kind": ("tuned", "rival")[side],
            }
            for bar in range(bins.number)
            for side in (0, 1)
            if shares[side][bar]
        ],
        "summary": "; ".join(
            f"{who}: half have at most {np.median(lengths):,.0f}, the longest {lengths.max():,}"
            for who, lengths in (("tuned", tuned), (REFERENCE, reference))
        ),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bins:
    """Bins of `width` lengths each, from `first` on; the last holds all longer ones too."""

    first: int
    width: int
    number: int
    open_ended: bool  # whether there are lengths beyond the last bin's own

    def shares(self, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of the lengths in each bin, shape (number,)."""
        places = np.minimum((lengths - self.first) // self.width, self.number - 1)
        shares: NDArray[np.float64] = np.bincount(places, minlength=self.number) / len(lengths)
        return shares

    def ticks(self) -> list[Tick]:
        """Return marks where bins begin, or below a bin that is one length."""
        every, last = max(1, ceil(self.number / 8)), self.number - 1
        shown = [bar for bar in range(0, self.number, every) if bar <= last - every / 2]
        middle = 0.5 if self.width == 1 else 0.0
        return [
            Tick(
                at=round(100 * (bar + middle) / self.number, 2),
                label=count(self.first + bar * self.width)
                + "+" * (bar == last and self.open_ended),
            )
            for bar in (*shown, last)
        ]


def _bins(lengths: NDArray[np.int64]) -> _Bins:
    low, high = int(lengths.min()), int(np.quantile(lengths, _TAIL, method="higher"))
    width = next((w for w in _ROUND if w * (_MOST_BARS - 1) > high - low), None)
    width = width or ceil((high - low + 1) / (_MOST_BARS - 1))
    first = low // width * width
    number = (high - first) // width + 1
    beyond = int(lengths.max()) >= first + number * width
    return _Bins(first=first, width=width, number=number, open_ended=beyond)


def _percent(share: float) -> str:
    return f"{100 * share:g} %"
