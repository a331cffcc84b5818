"""Whether stated confidence can be trusted: the reliability plot of the tuned model."""

from typing import Any

import numpy as np

from burnish.evaluation.calibration import confidence_and_outcome, ece, reliability
from burnish.evaluation.report.runfiles import Absent, RunFiles
from burnish.evaluation.report.scales import scale_of

_BINS = 10
_SMALLEST_RADIUS, _LARGEST_RADIUS = 3.5, 13.0


def view(run: RunFiles) -> dict[str, Any]:
    """Return the filled bins of the reliability plot, and the calibration error."""
    answers = run.labels()
    confidence, outcome = confidence_and_outcome(answers)
    if not np.isfinite(confidence).all():
        raise Absent("The answers carry no probabilities.")
    bins = reliability(confidence.ravel(), outcome.ravel() > 0, bins=_BINS)
    filled = [b for b in bins if b.n]
    most = max(b.n for b in filled)
    return {
        "ece": ece.function(answers),
        "n": confidence.size,
        "unit": "label decisions" if answers.space.multi_label else "answers",
        "scale": scale_of([0.0, 1.0], label=lambda v: f"{100 * v:.0f}"),
        "bins": [
            {
                "confidence": b.confidence,
                "accuracy": b.frequency,
                "count": b.n,
                "x": round(100 * b.confidence, 2),
                "y": round(100 - 100 * b.frequency, 2),
                "radius": _radius(b.n, most),
            }
            for b in filled
        ],
    }


def _radius(count: int, most: int) -> float:
    """Return a radius in pixels that grows with the logarithm: counts span four powers of ten."""
    room = _LARGEST_RADIUS - _SMALLEST_RADIUS
    return round(_SMALLEST_RADIUS + room * float(np.log1p(count) / np.log1p(most)) ** 2, 1)
