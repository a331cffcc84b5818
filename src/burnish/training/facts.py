"""What burnish.json tells of a model beside its weights: the task, its thresholds, its origin."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.errors import ModelFormatError
from burnish.runfolder import MODEL_FACTS
from burnish.tasks.base import TASKS, Task
from burnish.training.guard import read_config
from burnish.training.untuned import task_of

_VERSION = 1


def task_facts(task: Task, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a task; `meta`: name, base_model and method."""
    told = task.to_json()
    return {
        "version": _VERSION,
        "name": meta.get("name"),
        "task": told,
        "labels": told.get("labels"),
        "thresholds": told.get("thresholds"),
        "prompt": task.prompt_form,
        "limits": task.limits,
        "base_model": meta.get("base_model"),
        "method": meta.get("method"),
    }


def read_task(folder: Path) -> Task:
    """Return the task of a model folder; without burnish.json, what the model itself tells.

    Raises:
        ModelFormatError: BN303, burnish.json is damaged, or the model is for none of the tasks.
    """
    if not (folder / MODEL_FACTS).is_file():
        return task_of(folder)
    facts = read_config(folder / MODEL_FACTS)
    try:
        return TASKS.get(facts["task"]["kind"]).from_json(facts["task"])
    except (KeyError, TypeError, ValueError) as err:
        raise ModelFormatError(
            f"its task cannot be read: {type(err).__name__}: {err}",
            where=str(folder / MODEL_FACTS),
            fix="name a model folder that Burnish wrote",
        ) from err
