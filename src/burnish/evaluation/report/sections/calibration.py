"""Whether stated confidence can be trusted, and what leaving the least sure to people would buy."""

from typing import Any

import numpy as np

from burnish.evaluation.answers import Answers
from burnish.evaluation.calibration import confidence_and_outcome, ece, reliability
from burnish.evaluation.report.runfiles import TUNED, Absent, RunFiles
from burnish.evaluation.report.scales import scale_of
from burnish.evaluation.selective import Coverage, confidences, coverages, covered

_BINS = 10
_SHARES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5)  # of the rows, that the model answers by itself
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
        "coverages": _coverages(answers),
        "abstention": _abstention(run, answers),
    }


def _coverages(answers: Answers) -> list[Coverage]:
    confidence = confidences(answers.scores, answers.answer, multi_label=answers.space.multi_label)
    return coverages(confidence, answers.correct, _SHARES)


def _abstention(run: RunFiles, answers: Answers) -> Coverage | None:
    """Return what the answers that needed nobody's look were worth; None where none is asked."""
    abstains = {one.example_id: one.abstains for one in run.predictions[TUNED]}
    if None in abstains.values():
        return None
    alone = np.array([not abstains[one] for one in answers.ids])
    return covered(int(answers.correct[alone].sum()), int(alone.sum()), len(answers))


def _radius(count: int, most: int) -> float:
    """Return a radius in pixels that grows with the logarithm: counts span four powers of ten."""
    room = _LARGEST_RADIUS - _SMALLEST_RADIUS
    return round(_SMALLEST_RADIUS + room * float(np.log1p(count) / np.log1p(most)) ** 2, 1)
