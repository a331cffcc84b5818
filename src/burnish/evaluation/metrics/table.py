"""The table of metrics, and which of them fit a task.

To add one: write a `Metric` and add a row here, or an entry point `burnish.metrics`.
"""

from collections.abc import Sequence
from typing import Any

from burnish.errors import RecipeError
from burnish.evaluation.metrics.base import Metric
from burnish.evaluation.spaces import is_binary, is_plain, is_texts, task_words
from burnish.records import Space
from burnish.registry import Registry

_METRICS = "burnish.evaluation.metrics"
_COUNTS = f"{_METRICS}.counts"
_ROUGE = f"{_METRICS}.rouge"

METRICS: Registry[Metric[Any]] = Registry(
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
        "roc_auc": f"{_METRICS}.ranking:roc_auc",
        "ece": "burnish.evaluation.calibration:ece",
        "rouge1": f"{_ROUGE}:rouge1",
        "rouge2": f"{_ROUGE}:rouge2",
        "rougeL": f"{_ROUGE}:rouge_l",
        "rougeLsum": f"{_ROUGE}:rouge_lsum",
        "bleu": f"{_METRICS}.bleu:bleu",
        "chrf": f"{_METRICS}.chrf:chrf",
        "exact_match": f"{_METRICS}.pairs:exact_match",
        "loss": f"{_METRICS}.likelihood:loss",
        "perplexity": f"{_METRICS}.likelihood:perplexity",
        "top1": f"{_METRICS}.likelihood:top1",
        "top5": f"{_METRICS}.likelihood:top5",
    },
    where="recipe key `evaluation.metrics`",
)


def metric_names(space: Space) -> tuple[str, ...]:
    """Return every registered metric that fits the task, sorted by name."""
    return tuple(name for name in METRICS.names() if METRICS.get(name).applies(space))


def default_metric(space: Space) -> str:
    """Return the metric by which a task is judged.

    rougeL for texts that are written, perplexity for those that are read, f1 for two labels,
    else macro_f1.
    """
    if is_texts(space):
        return "rougeL"
    if is_plain(space):
        return "perplexity"
    return "f1" if is_binary(space) else "macro_f1"


def metrics_for(names: Sequence[str], space: Space) -> dict[str, Metric[Any]]:
    """Return the named metrics (none named: all that fit), in the order given.

    Raises:
        UnknownPluginError: BN102, no metric has that name.
        RecipeError: BN101, a metric does not fit the task; naming those that do.
    """
    chosen = {name: METRICS.get(name) for name in names or metric_names(space)}
    unfit = [name for name, metric in chosen.items() if not metric.applies(space)]
    if unfit:
        raise RecipeError(
            f"metric(s) {', '.join(unfit)} do not fit a {task_words(space)} task",
            where="recipe key `evaluation.metrics` or `evaluation.gates`",
            fix=f"use some of: {', '.join(metric_names(space))}",
        )
    return chosen


def first_fit(names: Sequence[str], space: Space) -> str:
    """Return the first of some metrics that there is and that fits, else the task's own.

    For showing what was kept in files: a metric may come from a plug-in that is gone.
    """
    fit = metric_names(space)
    return next((name for name in names if name in fit), default_metric(space))
