"""The verdict on a run: ship, keep-baseline, or need-more-data, in words a manager can use.

- **ship**: the tuned model passes every gate against every rival, and its answers, where there
  are any, are better than the same answers given at random (`skill`).
- **keep-baseline**: some gate has failed: the rows show that there is no gain, or none worth
  having.
- **need-more-data**: neither; the reasons say what is missing.

How a single gate is judged is in `gates`. Called by the pipeline; the result is `verdict.json`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from burnish.errors import PredictionError
from burnish.evaluation.answered import A, Answered, align
from burnish.evaluation.bootstrap import Draws
from burnish.evaluation.compare import Comparison, compare
from burnish.evaluation.gates import TUNED, WORST_FIRST, Ruling, judge
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.metrics.table import METRICS, default_metric, metrics_for
from burnish.evaluation.skill import Rechoose, Skill, skill
from burnish.recipe.evaluation import Gate
from burnish.records import Space, Verdict


def decide(
    gates: Sequence[Gate],
    systems: Mapping[str, A],
    space: Space,
    main_metric: str,
    *,
    split: str = "validation",
    rechoose: Rechoose | None = None,
    **draws: Unpack[Draws],
) -> dict[str, Any]:
    """Return the content of `verdict.json`: verdict, metric, split, reasons and comparisons.

    Args:
        gates: conditions for `ship`; none: the default one, better than every baseline.
        systems: answers by system name on the same rows; `tuned` must be among them.
        space: what may be answered.
        main_metric: what a gate without metric speaks of.
        split: which rows they are.
        rechoose: `thresholds.rechoose` where these very rows chose the thresholds of `tuned`.
        **draws: resamples, seed and the groups of the rows of `tuned`; see `bootstrap.Draws`.

    Raises:
        PredictionError: BN602: no answers of `tuned`, or systems scored on other rows.
        RecipeError: BN101, a gate's metric does not fit the task.
    """
    systems, gates = _aligned(systems, split), gates or (Gate(),)
    judged = [gate.metric or main_metric for gate in gates]
    metrics = metrics_for([main_metric, *judged], space)
    comparisons = _comparisons({name: metrics[name] for name in judged}, systems, **draws)
    rulings = [judge(*pair, systems, comparisons) for pair in zip(gates, judged, strict=True)]
    metric = metrics[main_metric] if metrics[main_metric].pairs else _own_metric(space)
    lacking = _lack_of_skill(systems[TUNED], metric, rechoose, **draws)
    return {
        "verdict": _verdict(rulings, skilled=lacking is None),
        "metric": headline(gates, main_metric),
        "split": split,
        "reasons": [*([lacking] if lacking else []), *_reasons(rulings)],
        "comparisons": [found.to_json() for found in comparisons.values()],
    }


def headline(gates: Sequence[Gate], main_metric: str) -> str:
    """Return the metric that a verdict speaks of: that of the first gate, or the task's own."""
    return (gates[0].metric if gates else None) or main_metric


def _own_metric(space: Space) -> Metric[Any]:
    return METRICS.get(default_metric(space))


def _aligned(systems: Mapping[str, A], split: str) -> dict[str, A]:
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
    metrics: Mapping[str, Metric[A]], systems: Mapping[str, A], **draws: Unpack[Draws]
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


def _verdict(rulings: Sequence[Ruling], *, skilled: bool) -> Verdict:
    states = {ruling.state for ruling in rulings}
    if "failed" in states:
        return "keep-baseline"
    return "ship" if states == {"passed"} and skilled else "need-more-data"


def _reasons(rulings: Sequence[Ruling]) -> list[str]:
    """Return the sentences on the gates, what decides first."""
    ordered = sorted(rulings, key=lambda ruling: WORST_FIRST.index(ruling.state))
    return [ruling.reason for ruling in ordered]


def _lack_of_skill(
    tuned: A, metric: Metric[A], rechoose: Rechoose | None, **draws: Unpack[Draws]
) -> str | None:
    """Return the sentence on answers no better than random ones; None where they are.

    A likelihood is of its own text: what the answers of other rows would be cannot be asked.
    """
    if not metric.pairs:
        return None
    seed, groups = draws.get("seed", 0), draws.get("groups")
    shown = skill(tuned, metric, rechoose=rechoose, seed=seed, groups=groups)
    return None if shown.is_shown else _no_skill(shown, metric, tuned)


def _no_skill(shown: Skill, metric: Metric[A], tuned: Answered) -> str:
    write = metric.unit.write
    drawn = f" on {shown.n:,} rows drawn from the {len(tuned):,}" if shown.n < len(tuned) else ""
    return (
        f"tuned has shown no skill: its {metric.words} is {write(shown.value)}{drawn}, and the "
        f"same answers given to the rows at random reach {write(shown.by_chance)} on average "
        f"(p = {shown.p:.3f}). {tuned.no_skill}"
    )
