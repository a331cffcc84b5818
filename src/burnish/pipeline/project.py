"""Start a project: a recipe that runs at once, sample data, a Dockerfile, a workflow."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import polars as pl

from burnish.data.starter import clauses
from burnish.data.starter_replies import replies
from burnish.errors import StorageError
from burnish.files import storage_errors, write_jsonl, write_text
from burnish.recipe.task import MASKED, PLAIN_TEXT
from burnish.tasks.base import TASKS

_FILES = {
    "Dockerfile": "Dockerfile",
    "dockerignore": ".dockerignore",
    "workflow.yml": ".github/workflows/burnish.yml",
}
# Task → its recipe among the templates, and its sample rows.
_SAMPLES: dict[str, tuple[str, Callable[[str], pl.DataFrame]]] = {
    "text-classification": ("recipe.yaml", clauses),
    "causal-lm": ("recipe.causal-lm.yaml", replies),
    PLAIN_TEXT: ("recipe.causal-lm-text.yaml", clauses),
    MASKED: ("recipe.masked-lm.yaml", clauses),
    "seq2seq": ("recipe.seq2seq.yaml", replies),
}
IGNORED = "run/\nruns/\nburnish.db\nburnish-artifacts/\n"


def start_project(folder: Path, *, task: str) -> list[Path]:
    """Write the files of a new project and return their paths.

    Raises:
        StorageError: BN402, the folder is not empty or cannot be written.
        UnknownPluginError: BN102, no such task.
    """
    TASKS.get(task)
    recipe, sample = _SAMPLES[task]
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise StorageError(
                "the folder is not empty", where=str(folder), fix="name a new or empty folder"
            )
    written = []
    template = files("burnish.pipeline").joinpath("template")
    for name, target in ({recipe: "recipe.yaml"} | _FILES).items():
        write_text(folder / target, template.joinpath(name).read_text("utf-8"))
        written.append(folder / target)
    write_text(folder / ".gitignore", IGNORED)
    written.append(folder / ".gitignore")
    for part in ("train", "validation", "test"):
        write_jsonl(folder / "data" / f"{part}.jsonl", sample(part).to_dicts())
        written.append(folder / "data" / f"{part}.jsonl")
    return written
