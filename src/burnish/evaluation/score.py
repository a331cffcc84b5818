"""Score one system on one whole split: every metric with its 95 % interval.

Called by the pipeline for each prediction file; what it returns becomes `scores.json`.
"""

from collections.abc import Sequence
from typing import Unpack

import numpy as np

from burnish.evaluation.answered import Answered
from burnish.evaluation.answers import from_predictions
from burnish.evaluation.bootstrap import Draws, centred, interval, resample
from burnish.evaluation.groups import units
from burnish.evaluation.metrics.table import metrics_for
from burnish.records import Prediction, Score, Space


def score(
    system: str,
    split: str,
    predictions: Sequence[Prediction],
    space: Space,
    *,
    metrics: Sequence[str] = (),
    **draws: Unpack[Draws],
) -> list[Score]:
    """Return one Score a metric over all rows of a system, in the order asked.

    No metrics named: all that fit the task. A metric that these answers do not allow (ROC AUC
    without probabilities) is left out, never told as a number. For `draws` see
    `bootstrap.Draws`.

    Raises:
        PredictionError: BN602, the predictions cannot be scored.
        RecipeError: BN101, a metric does not fit the task.
    """
    answers = from_predictions(predictions, space, where=f"predictions of {system} on {split}")
    return score_answers(system, split, answers, metrics=metrics, **draws)


def score_answers(
    system: str,
    split: str,
    answers: Answered,
    *,
    metrics: Sequence[str] = (),
    **draws: Unpack[Draws],
) -> list[Score]:
    """Return what `score` does, for predictions that are arrays already."""
    chosen = metrics_for(metrics, answers.space)
    values = {name: metric.function(answers) for name, metric in chosen.items()}
    told = [name for name, value in values.items() if not np.isnan(value)]
    drawn = resample([chosen[name].resample(answers) for name in told], len(answers), **draws)
    if units(len(answers), draws.get("groups")) == 1:
        drawn[:] = np.nan  # it can be drawn in one way only: how far off it is, is unknown
    ends = [
        interval(centred(row, values[name]), around=values[name])
        for name, row in zip(told, drawn, strict=True)
    ]
    return [
        Score(
            system=system,
            split=split,
            metric=name,
            value=values[name],
            low=low,
            high=high,
            n=len(answers),
        )
        for name, (low, high) in zip(told, ends, strict=True)
    ]
