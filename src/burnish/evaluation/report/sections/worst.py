"""The written answers furthest from their references, and the nearest."""

from typing import Any

import numpy as np

from burnish.evaluation.report.runfiles import TUNED, RunFiles
from burnish.evaluation.report.sections.side_by_side import metric_of, ranked, shown_row, system_of

_MOST_WORST, _MOST_BEST = 20, 5


def view(run: RunFiles) -> dict[str, Any]:
    """Return the worst rows, worst first, the best, and how many are exactly right."""
    tuned, inputs = system_of(run, TUNED), run.inputs()
    order = ranked(run, tuned.scores)
    worst = order[::-1][: min(_MOST_WORST, (len(order) + 1) // 2)]
    best = order[: min(_MOST_BEST, len(order) - len(worst))]

    def shown(row: np.intp) -> dict[str, Any]:
        at = int(row)
        return shown_row(tuned.texts, at, inputs) | {"said": [tuned.said(at)]}

    return {
        "n": len(tuned.texts),
        "metric": metric_of(run),
        "exact": int(tuned.texts.correct.sum()),
        "inputs": bool(inputs),
        "worst": [shown(row) for row in worst],
        "best": [shown(row) for row in best],
    }
