"""The table of metrics, and which of them fit a task.

To add one: write a `Metric` and add a row here, or an entry point `burnish.metrics`.
"""

from collections.abc import Sequence

from burnish.errors import RecipeError
from burnish.evaluation.metrics.base import Metric
from burnish.records import LabelSpace
from burnish.registry import Registry

_COUNTS = "burnish.evaluation.metrics.counts"

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "accuracy": f"{_COUNTS}:accuracy",
        "micro_f1": f"{_COUNTS}:micro_f1",
        "macro_f1": f"{_COUNTS}:macro_f1",
        "f1": f"{_COUNTS}:f1",
        "precision": f"{_COUNTS}:precision",
        "recall": f"{_COUNTS}:recall",
        "lexglue_micro_f1": f"{_COUNTS}:lexglue_micro_f1",
        "lexglue_macro_f1": f"{_COUNTS}:lexglue_macro_f1",
        "roc_auc": "burnish.evaluation.metrics.ranking:roc_auc",
        "ece": "burnish.evaluation.calibration:ece",
    },
    where="recipe key `evaluation.metrics`",
)


def metric_names(space: LabelSpace) -> tuple[str, ...]:
    """Return every registered metric that fits the task, sorted by name."""
    return tuple(name for name in METRICS.names() if METRICS.get(name).applies(space))


def default_metric(space: LabelSpace) -> str:
    """Return the metric by which a task is judged: f1 for binary, else macro_f1."""
    return "f1" if space.is_binary else "macro_f1"


def metrics_for(names: Sequence[str], space: LabelSpace) -> dict[str, Metric]:
    """Return the named metrics (none named: all that fit), in the order given.

    Raises:
        UnknownPluginError: BN102, no metric has that name.
        RecipeError: BN101, a metric does not fit the task; naming those that do.
    """
    chosen = {name: METRICS.get(name) for name in names or metric_names(space)}
    unfit = [name for name, metric in chosen.items() if not metric.applies(space)]
    if unfit:
        kind = (
            "multi-label" if space.multi_label else "binary" if space.is_binary else "multi-class"
        )
        raise RecipeError(
            f"metric(s) {', '.join(unfit)} do not fit a {kind} task",
            where="recipe key `evaluation.metrics` or `evaluation.gates`",
            fix=f"use some of: {', '.join(metric_names(space))}",
        )
    return chosen
