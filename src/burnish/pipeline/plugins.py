"""Whether everything a recipe names exists and fits its task, found out before any work."""

from difflib import get_close_matches

from burnish.data.signals.declared import formula_of, formula_over
from burnish.errors import RecipeError, UnknownPluginError
from burnish.evaluation.baselines.table import baselines_for
from burnish.evaluation.gates import BASE, BEST_BASELINE, CONTROL
from burnish.evaluation.metrics.table import METRICS, metrics_for
from burnish.recipe.recipe import Recipe
from burnish.recipe.task import MASKED
from burnish.records import Asked, LabelSpace, PlainSpace, Space, TextSpace
from burnish.tasks.base import TASKS, Task
from burnish.tracking.table import TRACKERS
from burnish.training.methods import METHODS
from burnish.training.stopping import check_stopping

_ANSWERS: dict[Asked, Space] = {
    "labels": LabelSpace(names=("one", "other"), multi_label=False),
    "texts": TextSpace(),
    "nothing": PlainSpace(),
}


def check_plugins(recipe: Recipe) -> None:
    """Refuse what the recipe names that does not exist or does not fit the task.

    Done before any work, so that a typo in a baseline does not surface after the training.

    Raises:
        UnknownPluginError: BN102, nothing is registered under a name.
        RecipeError: BN101, a baseline or metric is for another kind of task.
        SignalError: BN209, `data.select` is no formula of the recipe's signals.
    """
    TASKS.get(recipe.task.kind)
    METHODS.get(recipe.method.kind)
    formula_of(recipe)
    # The labels are not known yet, but whether there will be any is.
    answers = _ANSWERS[recipe.task.asked]
    baselines_for(recipe.rivals, answers)
    for name in recipe.evaluation.metrics:
        METRICS.get(name)
    if recipe.task.asked != "labels":
        metrics_for(recipe.evaluation.metrics, answers)
    for name in recipe.tracking.trackers:
        TRACKERS.place(name)  # one that cannot be imported is silenced, and ends no run
    _check_arms(recipe)
    # Nor may a gate name a rival that would never be scored.
    control = {CONTROL} if recipe.evaluation.control else set()
    scored = {BEST_BASELINE, BASE, *recipe.evaluation.baselines, *control}
    for number, gate in enumerate(recipe.evaluation.gates):
        if gate.metric:
            METRICS.get(gate.metric)
        if gate.over not in scored:
            near = get_close_matches(gate.over, scored, n=1)
            raise UnknownPluginError(
                f"no rival called {gate.over!r} is scored",
                where=f"recipe key `evaluation.gates.{number}.over`",
                fix=f"use {near[0]!r}" if near else f"use one of {', '.join(sorted(scored))}",
            )


def check_metrics(recipe: Recipe, task: Task) -> None:
    """Refuse metrics that do not fit the task, as soon as its labels are known.

    Raises:
        RecipeError: BN101, in `evaluation.metrics`, a gate, or `training.early_stopping`.
    """
    of_gates = [gate.metric for gate in recipe.evaluation.gates if gate.metric]
    for names in (recipe.evaluation.metrics, of_gates):
        metrics_for(names, task.space)
    check_stopping(recipe.training, task)


def _check_arms(recipe: Recipe) -> None:
    """Refuse a control without a selection, and what is asked of another task than it is for."""
    evaluation = recipe.evaluation
    if evaluation.control and recipe.data.select is None:
        raise _misfit("control", "needs rows that were not selected", "data.select")
    if evaluation.label_errors is True and recipe.task.asked != "labels":
        what = "ranks labels, and the task has none"
        raise _misfit("label_errors", what, "task: text-classification")
    if evaluation.probes and recipe.task.kind != MASKED:
        raise _misfit("probes", "fills masks, and the task has none", "task: masked-lm")
    if evaluation.general and recipe.task.asked != "nothing":
        raise _misfit("general", "is told of tasks that learn plain texts", "task: masked-lm")
    if evaluation.probes and evaluation.probes.wanted:
        formula_over(
            recipe, evaluation.probes.wanted, where="recipe key `evaluation.probes.wanted`"
        )


def _misfit(key: str, what: str, instead: str) -> RecipeError:
    return RecipeError(
        f"it {what}",
        where=f"recipe key `evaluation.{key}`",
        fix=f"leave it out, or set `{instead}`",
    )
