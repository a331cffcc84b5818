"""How a system writes, apart from what is right: length, copying, repetition, sameness.

Scores of overlap do not show a model that copies its input, says everything twice or gives one
answer to all. Words are runs of letters and digits, case folded; a run is four of them.

Called by the report.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RUN = 4  # words; shorter runs are shared by chance
_WORD = re.compile(r"\w+")

Runs = list[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Shares in [0, 1]; nan where there is nothing to take a share of, or it is not known."""

    words: float  # of the median text, a count
    empty: float  # texts without a word
    distinct: float  # different texts among all
    hit_limit: float  # texts cut off by the limit of length
    copied_whole: float  # texts that stand in their input as they are, white space aside
    copied_runs: float  # runs of all texts that stand in their input too
    repeated_runs: float  # runs of all texts that stood before in the same text


def word_counts(texts: Sequence[str]) -> NDArray[np.int64]:
    """Return the words of each text, shape (n,)."""
    return np.array([len(_WORD.findall(text)) for text in texts], dtype=np.int64)


def writing_of(
    systems: Mapping[str, Sequence[str]],
    inputs: Sequence[str] | None,
    complete: Mapping[str, NDArray[np.float64]],
) -> dict[str, Writing]:
    """Return how each system writes.

    Args:
        systems: the texts by system, n each, row by row.
        inputs: the n inputs, where they are at hand.
        complete: by system, shape (n,): 0 where a text was cut off, else 1; nan: not known.
    """
    figures = {name: np.zeros(4) for name in systems}  # runs, in input, repeated; copied texts
    for row, asked in enumerate(inputs or [""] * len(next(iter(systems.values())))):
        in_input, plain = set(_runs(asked)), " ".join(asked.split())
        for name, texts in systems.items():
            figures[name] += _figures(texts[row], in_input, plain)
    return {
        name: _writing(texts, figures[name], inputs is not None, complete.get(name))
        for name, texts in systems.items()
    }


def _runs(text: str) -> Runs:
    words = _WORD.findall(text.casefold())
    return [tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)]


def _figures(text: str, in_input: set[tuple[str, ...]], plain: str) -> tuple[int, int, int, int]:
    runs, answer = _runs(text), " ".join(text.split())
    copied = sum(run in in_input for run in runs)
    return len(runs), copied, len(runs) - len(set(runs)), bool(answer) and answer in plain


def _writing(
    texts: Sequence[str],
    figures: NDArray[np.float64],
    has_inputs: bool,
    complete: NDArray[np.float64] | None,
) -> Writing:
    runs, copied, repeated, whole = (float(figure) for figure in figures)
    words, n, nan = word_counts(texts), len(texts), float("nan")
    return Writing(
        words=float(np.median(words)),
        empty=float((words == 0).mean()),
        distinct=len(set(texts)) / n,
        hit_limit=nan if complete is None else 1 - float(complete.mean()),
        copied_whole=whole / n if has_inputs else nan,
        copied_runs=copied / runs if has_inputs and runs else nan,
        repeated_runs=repeated / runs if runs else nan,
    )
