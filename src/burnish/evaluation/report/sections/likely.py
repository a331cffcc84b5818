"""Plain texts that the tuned model finds least likely, and what tuning did to single ones."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.evaluation.answered import align
from burnish.evaluation.likelihoods import Likelihoods
from burnish.evaluation.report.runfiles import TUNED, Absent, RunFiles
from burnish.evaluation.report.words import clipped

BASE = "base"
_LEAST_LIKELY, _CHANGED = 10, 5  # rows
_MOST_TEXT = 400  # characters
_TOO_FEW = 8  # tokens; what is said of a shorter text hangs on a word


def view(run: RunFiles) -> dict[str, Any]:
    """Return groups of rows with the perplexity of each under the tuned model and the base."""
    tuned, base = run.likelihoods(), None
    if BASE in run.predictions:
        tuned, base = align(tuned, run.likelihoods(BASE), names=(TUNED, BASE))
    long = np.flatnonzero(tuned.tokens >= _TOO_FEW)
    if not len(long):
        raise Absent(f"No text has {_TOO_FEW} tokens.")
    inputs = run.inputs()
    gain = None if base is None else base.losses[long] - tuned.losses[long]

    def shown(row: int) -> dict[str, Any]:
        key = tuned.ids[row]
        return {
            "id": key,
            "text": clipped(inputs[key], _MOST_TEXT) if key in inputs else None,
            "tokens": int(tuned.tokens[row]),
            "tuned": _perplexity(tuned, row),
            "base": None if base is None else _perplexity(base, row),
        }

    groups = {"Least likely to the tuned model": _largest(tuned.losses[long], _LEAST_LIKELY)}
    if gain is not None:
        groups |= {
            "Where tuning helped most": _largest(gain, _CHANGED),
            "Where it helped least, or hurt": _largest(-gain, _CHANGED),
        }
    return {
        "shortest": _TOO_FEW,
        "base": base is not None,
        "groups": [
            (title, [shown(int(long[at])) for at in rows]) for title, rows in groups.items()
        ],
    }


def _perplexity(of: Likelihoods, row: int) -> float:
    return float(np.exp(min(of.losses[row], 700.0)))


def _largest(values: NDArray[np.float64], most: int) -> NDArray[np.intp]:
    """Return the places of the largest values, largest first; ties by order."""
    order: NDArray[np.intp] = np.argsort(-values, kind="stable")[:most]
    return order
