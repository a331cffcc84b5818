"""The table of baselines, and which of them fit a task.

To add one: write a subclass of `Baseline` and add a row here, or an entry point
`burnish.baselines`.
"""

from collections.abc import Sequence
from typing import Any

from burnish.errors import RecipeError
from burnish.evaluation.baselines.base import Baseline
from burnish.evaluation.spaces import task_words
from burnish.records import Space
from burnish.registry import Registry

_HERE = "burnish.evaluation.baselines"

BASELINES: Registry[type[Baseline[Any]]] = Registry(
    "baseline",
    {
        "majority": f"{_HERE}.majority:Majority",
        "lexglue-svm": f"{_HERE}.lexglue_svm:LexglueSvm",
        "tfidf-svm": f"{_HERE}.tfidf_svm:TfidfSvm",
        "frozen-encoder": f"{_HERE}.frozen_encoder:FrozenEncoder",
        "lead": f"{_HERE}.lead:Lead",
        "retrieval": f"{_HERE}.retrieval:Retrieval",
    },
    where="recipe key `evaluation.baselines`",
)


def baseline_names(space: Space) -> tuple[str, ...]:
    """Return every registered baseline that fits the task, sorted by name."""
    return tuple(name for name in BASELINES.names() if BASELINES.get(name).applies(space))


def baselines_for(names: Sequence[str], space: Space) -> dict[str, Baseline[Any]]:
    """Return the named baselines, not yet fitted, in the order given.

    Raises:
        UnknownPluginError: BN102, no baseline has that name.
        RecipeError: BN101, a baseline does not fit the task; naming those that do.
    """
    chosen = {name: BASELINES.get(name) for name in names}
    if unfit := [name for name, baseline in chosen.items() if not baseline.applies(space)]:
        raise RecipeError(
            f"baseline(s) {', '.join(unfit)} do not fit a {task_words(space)} task",
            where="recipe key `evaluation.baselines`",
            fix=f"use some of: {', '.join(baseline_names(space))}",
        )
    return {name: baseline() for name, baseline in chosen.items()}
