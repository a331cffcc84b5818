"""The verdict on a run: ship, keep-baseline, or need-more-data, in words a manager can use.

- **ship**: the tuned model passes every gate against every rival, and its answers are better
  than the same answers given at random (`skill`).
- **keep-baseline**: some gate has failed: the rows show that there is no gain, or none worth
  having.
- **need-more-data**: neither; the reasons say what is missing.

How a single gate is judged is in `gates`. Called by the pipeline; the result is `verdict.json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from burnish.errors import PredictionError
from burnish.evaluation.answers import Answers, align
from burnish.evaluation.bootstrap import Draws
from burnish.evaluation.compare import Comparison, compare, points
from burnish.evaluation.gates import TUNED, WORST_FIRST, Ruling, judge
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.table import metrics_for
from burnish.evaluation.skill import Rechoose, Skill, skill
from burnish.recipe.evaluation import Gate
from burnish.records import LabelSpace, Verdict


def decide(
    gates: Sequence[Gate],
    systems: Mapping[str, Answers],
    space: LabelSpace,
    default_metric: str,
    *,
    split: str = "validation",
    rechoose: Rechoose | None = None,
    **draws: Unpack[Draws],
) -> dict[str, Any]:
    """Return the content of `verdict.json`: verdict, metric, split, reasons and comparisons.

    Args:
        gates: conditions for `ship`; none: the default one, better than every baseline.
        systems: answers by system name on the same rows; `tuned` must be among them.
        space: the labels.
        default_metric: what a gate without metric speaks of.
        split: which rows they are.
        rechoose: `thresholds.rechoose` where these very rows chose the thresholds of `tuned`.
        **draws: resamples and seed; see `bootstrap.Draws`.

    Raises:
        PredictionError: BN602: no answers of `tuned`, or systems scored on other rows.
        RecipeError: BN101, a gate's metric does not fit the task.
    """
    systems, gates = _aligned(systems, split), gates or (Gate(),)
    judged = [gate.metric or default_metric for gate in gates]
    metrics = metrics_for([default_metric, *judged], space)
    comparisons = _comparisons({name: metrics[name] for name in judged}, systems, **draws)
    rulings = [judge(*pair, systems, comparisons) for pair in zip(gates, judged, strict=True)]
    metric = metrics[default_metric]
    shown = skill(systems[TUNED], metric, rechoose=rechoose, seed=draws.get("seed", 0))
    return {
        "verdict": _verdict(rulings, shown),
        "metric": judged[0],
        "split": split,
        "reasons": _reasons(rulings, shown, metric),
        "comparisons": [found.to_json() for found in comparisons.values()],
    }


def _aligned(systems: Mapping[str, Answers], split: str) -> dict[str, Answers]:
    """Return every system's answers with rows in the order of `tuned`."""
    if TUNED not in systems:
        raise PredictionError(
            f"there are no predictions of `{TUNED}`, only of: {', '.join(systems) or 'nothing'}",
            where=f"predictions on {split}",
            fix="predict with the trained model first",
        )
    tuned = systems[TUNED]
    return {name: align(tuned, other, names=(TUNED, name))[1] for name, other in systems.items()}


def _comparisons(
    metrics: Mapping[str, Metric], systems: Mapping[str, Answers], **draws: Unpack[Draws]
) -> dict[tuple[str, str], Comparison]:
    """Compare `tuned` with every other system, `base` too, wherever both have the metric."""
    having = {
        name: {who: a for who, a in systems.items() if not np.isnan(metric.function(a))}
        for name, metric in metrics.items()
    }
    return {
        (name, rival): compare(answers[TUNED], other, metric=name, names=(TUNED, rival), **draws)
        for name, answers in having.items()
        for rival, other in answers.items()
        if TUNED in answers and rival != TUNED
    }


def _verdict(rulings: Sequence[Ruling], shown: Skill) -> Verdict:
    states = {ruling.state for ruling in rulings}
    if "failed" in states:
        return "keep-baseline"
    return "ship" if states == {"passed"} and shown.is_shown else "need-more-data"


def _reasons(rulings: Sequence[Ruling], shown: Skill, metric: Metric) -> list[str]:
    """Return the sentences of the verdict, what decides first."""
    ordered = sorted(rulings, key=lambda ruling: WORST_FIRST.index(ruling.state))
    reasons = [ruling.reason for ruling in ordered]
    if shown.is_shown:
        return reasons
    no_skill = (
        f"tuned has shown no skill: its {metric.words} is {points(shown.value)}, and the same "
        f"answers given to the rows at random reach {points(shown.by_chance)} on average "
        f"(p = {shown.p:.3f}). The labels may not depend on the text, or be wrong, or the rows "
        "are too few to see it."
    )
    return [no_skill, *reasons]
