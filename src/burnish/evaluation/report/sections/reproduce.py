"""How to get the same result again: commands, recipe, seeds, inputs, versions."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from burnish.evaluation.report.runfiles import RunFiles
from burnish.evaluation.report.words import ABSENT

_MOST_RECIPE_CHARACTERS = 60_000
_MOST_INPUTS = 100


def view(run: RunFiles) -> dict[str, Any]:
    """Return commands to copy, and everything that pins the run down."""
    inputs = [entry for entry in run.manifest.get("inputs") or () if isinstance(entry, Mapping)]
    return {
        "commands": _commands(run),
        "recipe": run.recipe_text[:_MOST_RECIPE_CHARACTERS],
        "recipe_cut": max(0, len(run.recipe_text) - _MOST_RECIPE_CHARACTERS),
        "facts": [
            ("Made", run.manifest.get("created")),
            ("Burnish", run.manifest.get("burnish")),
            ("Git commit", run.manifest.get("git_commit")),
            ("Recipe sha256", run.manifest.get("recipe_sha256")),
            ("Model revision", run.section("model").get("revision")),
            ("Model origin", run.section("model").get("origin")),
        ],
        "seeds": list(_flat(run.section("seeds"))),
        "versions": list(_flat(run.section("versions"))),
        "inputs": inputs[:_MOST_INPUTS],
        "inputs_left_out": max(0, len(inputs) - _MOST_INPUTS),
    }


def _commands(run: RunFiles) -> list[tuple[str, str]]:
    folder = shlex.quote(f"runs/{run.folder.root.name}")
    return [
        ("Run it again", f"burnish run {folder}/recipe.yaml"),
        ("Compare that run with this one", f"burnish compare {folder} runs/<the new one>"),
        ("Answer for a new text", f'burnish predict {folder} --text "…"'),
        ("Make this page again", f"burnish report {folder}"),
    ]


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}.")
        else:
            yield name, ABSENT if value is None else value
