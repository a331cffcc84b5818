"""Score one system on one whole split: every metric with its 95 % interval.

Called by the pipeline for each prediction file; what it returns becomes `scores.json`.
"""

from collections.abc import Sequence

import numpy as np

from burnish.evaluation.answers import Answers, from_predictions
from burnish.evaluation.bootstrap import Groups, interval, resample
from burnish.evaluation.metrics.table import metrics_for
from burnish.records import LabelSpace, Prediction, Score


def score(
    system: str,
    split: str,
    predictions: Sequence[Prediction],
    space: LabelSpace,
    *,
    metrics: Sequence[str] = (),
    resamples: int = 2000,
    seed: int = 0,
    groups: Groups | None = None,
) -> list[Score]:
    """Return the metrics of a system over all its rows.

    Args:
        system: `tuned`, `base`, or a baseline's name.
        split: which rows they are, such as "validation".
        predictions: one a row, each with its reference.
        space: the labels of the task.
        metrics: registered names; none: all that fit the task.
        resamples: bootstrap draws behind each interval.
        seed: of the draws; the same seed gives the same intervals.
        groups: one a row, to draw whole groups (see `bootstrap`); None draws rows.

    Returns:
        One Score a metric, in the order asked. A metric that these answers do not allow (ROC
        AUC without probabilities) is left out, never told as a number.

    Raises:
        PredictionError: BN602, the predictions cannot be scored.
        RecipeError: BN101, a metric does not fit the task.
    """
    answers = from_predictions(predictions, space, where=f"predictions of {system} on {split}")
    return score_answers(
        system, split, answers, metrics=metrics, resamples=resamples, seed=seed, groups=groups
    )


def score_answers(
    system: str,
    split: str,
    answers: Answers,
    *,
    metrics: Sequence[str] = (),
    resamples: int = 2000,
    seed: int = 0,
    groups: Groups | None = None,
) -> list[Score]:
    """Return what `score` does, for predictions that are arrays already."""
    chosen = metrics_for(metrics, answers.space)
    values = {name: metric.function(answers) for name, metric in chosen.items()}
    told = [name for name, value in values.items() if not np.isnan(value)]
    drawn = resample(
        [chosen[name].resample(answers) for name in told],
        len(answers),
        resamples=resamples,
        seed=seed,
        groups=groups,
    )
    scores = []
    for name, resampled in zip(told, drawn, strict=True):
        low, high = interval(resampled, around=values[name])
        scores.append(
            Score(
                system=system,
                split=split,
                metric=name,
                value=values[name],
                low=low,
                high=high,
                n=len(answers),
            )
        )
    return scores
