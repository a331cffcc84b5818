"""The verdict on a run: ship, keep-baseline, or need-more-data, in words a manager can use.

- **ship**: the tuned model passes every gate against every rival, and its answers are better
  than the same answers given at random (`skill`).
- **keep-baseline**: some gate has failed: the rows show that there is no gain, or none worth
  having.
- **need-more-data**: neither; the reasons say what is missing.

How a single gate is judged is in `gates`. Called by the pipeline; the result is `verdict.json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.errors import PredictionError
from burnish.evaluation.answers import Answers, align
from burnish.evaluation.bootstrap import Groups
from burnish.evaluation.compare import Comparison, compare, points
from burnish.evaluation.gates import TUNED, Ruling, judge
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.table import metrics_for
from burnish.evaluation.skill import Rechoose, Skill, skill
from burnish.recipe.evaluation import Gate
from burnish.records import LabelSpace, Verdict

_WORST_FIRST = ("failed", "open", "passed")


def decide(
    gates: Sequence[Gate],
    systems: Mapping[str, Answers],
    space: LabelSpace,
    default_metric: str,
    *,
    split: str = "validation",
    resamples: int = 2000,
    seed: int = 0,
    groups: Groups | None = None,
    rechoose: Rechoose | None = None,
) -> dict[str, Any]:
    """Return the content of `verdict.json`.

    Args:
        gates: conditions for `ship`; none: the default one, better than every baseline.
        systems: answers by system name on the same rows; `tuned` must be among them.
        space: the labels of the task.
        default_metric: what a gate without metric speaks of.
        split: which rows they are, for the record.
        resamples: paired bootstrap draws behind each interval.
        seed: of all draws.
        groups: one for each row of `tuned`, to draw whole groups; None draws rows.
        rechoose: `thresholds.rechoose` when the thresholds of `tuned` were chosen on these very
            rows, None when on others. Without it such a choice would pass for skill.

    Returns:
        verdict, metric, split, reasons (sentences, the deciding one first) and comparisons
        (tuned against every other system, for each metric of a gate).

    Raises:
        PredictionError: BN602: no answers of `tuned`, or systems scored on other rows.
        RecipeError: BN101, a gate's metric does not fit the task.
    """
    systems = _aligned(systems, split)
    gates = gates or (Gate(),)
    judged = [gate.metric or default_metric for gate in gates]
    metrics = metrics_for([default_metric, *judged], space)
    comparisons = _compare_with_each(
        {name: metrics[name] for name in judged},
        systems,
        resamples=resamples,
        seed=seed,
        groups=groups,
    )
    rulings = [
        _deciding(judge(gate, metric, systems, comparisons))
        for gate, metric in zip(gates, judged, strict=True)
    ]
    shown = skill(systems[TUNED], metrics[default_metric], seed=seed, rechoose=rechoose)
    return {
        "verdict": _verdict(rulings, shown),
        "metric": judged[0],
        "split": split,
        "reasons": _reasons(rulings, shown, metrics[default_metric]),
        "comparisons": [comparison.to_json() for comparison in comparisons.values()],
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


def _compare_with_each(
    metrics: Mapping[str, Metric],
    systems: Mapping[str, Answers],
    *,
    resamples: int,
    seed: int,
    groups: Groups | None,
) -> dict[tuple[str, str], Comparison]:
    """Compare `tuned` with every other system, `base` too, wherever the metric exists."""
    return {
        (name, rival): compare(
            systems[TUNED],
            systems[rival],
            metric=name,
            names=(TUNED, rival),
            resamples=resamples,
            seed=seed,
            groups=groups,
        )
        for name, metric in metrics.items()
        for rival in _rivals_with(metric, systems)
    }


def _rivals_with(metric: Metric, systems: Mapping[str, Answers]) -> list[str]:
    """Return the systems to compare with, none where the metric does not exist for both."""
    if np.isnan(metric.function(systems[TUNED])):
        return []
    rivals = {name: answers for name, answers in systems.items() if name != TUNED}
    return [name for name, answers in rivals.items() if not np.isnan(metric.function(answers))]


def _deciding(rulings: Sequence[Ruling]) -> Ruling:
    """Return the worst ruling of a gate; among equals the one with the least slack."""
    return min(rulings, key=lambda r: (_WORST_FIRST.index(r.state), r.slack))


def _verdict(rulings: Sequence[Ruling], shown: Skill) -> Verdict:
    states = {ruling.state for ruling in rulings}
    if "failed" in states:
        return "keep-baseline"
    return "ship" if states == {"passed"} and shown.is_shown else "need-more-data"


def _reasons(rulings: Sequence[Ruling], shown: Skill, metric: Metric) -> list[str]:
    """Return the sentences of the verdict, what decides first."""
    ordered = sorted(rulings, key=lambda ruling: _WORST_FIRST.index(ruling.state))
    reasons = [ruling.reason for ruling in ordered]
    return reasons if shown.is_shown else [_no_skill(shown, metric.words), *reasons]


def _no_skill(shown: Skill, words: str) -> str:
    return (
        f"tuned has shown no skill: its {words} is {points(shown.value)}, and the same answers "
        f"given to the rows at random reach {points(shown.by_chance)} on average "
        f"(p = {shown.p:.3f}). The labels may not depend on the text, or be wrong, or the rows "
        "are too few to see it."
    )
