"""The manifest: what went in, on which machine, with which versions, how long it took."""

import hashlib
import platform
import re
import subprocess
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from burnish.data.sources import find_sources
from burnish.files import sha256
from burnish.pipeline.stage import Parts
from burnish.recipe.load import dump_recipe
from burnish.recipe.recipe import Recipe
from burnish.records import Space
from burnish.tasks.encoded import Encoded
from burnish.training.fit import FitResult
from burnish.training.hardware import Hardware
from burnish.training.sources import ModelSource

_PACKAGES = (
    "burnish", "torch", "transformers", "tokenizers", "peft", "lightning", "polars",
    "scikit-learn", "mlflow", "numpy", "py3langid",
)  # fmt: skip


def manifest_json(
    *,
    recipe: Recipe,
    loaded: Parts,
    splits: Parts,
    label_space: Space,
    hardware: Hardware,
    source: ModelSource,
    fitted: FitResult,
    encoded: dict[str, Encoded],
    timings: dict[str, float],
) -> dict[str, Any]:
    """Return the content of manifest.json."""
    return {
        "burnish": version("burnish"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "name": recipe.name,
        "recipe_sha256": hashlib.sha256(dump_recipe(recipe).encode()).hexdigest(),
        "git_commit": git_commit(),
        "inputs": _inputs(recipe, loaded),
        "splits": {name: frame.height for name, frame in splits.items()},
        "label_space": label_space.to_json(),
        "seeds": {
            "split": recipe.split.seed,
            "training": recipe.training.seed,
            "evaluation": recipe.evaluation.seed,
        },
        "versions": {"python": platform.python_version()} | package_versions(),
        "machine": machine(),
        "hardware": hardware.to_json(),
        "model": source.to_json()
        | {"parameters": fitted.total_parameters, "trainable": fitted.trainable_parameters},
        "training": fitted.cost(),
        "truncated": {
            name: {"rows_cut": part.rows_cut, "tokens_lost": part.tokens_lost}
            for name, part in encoded.items()
        },
        "timings": timings,
    }


def machine() -> dict[str, Any]:
    """Return processor, cores, memory in GB and platform of this machine."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(logical=True),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "platform": platform.platform(),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text("utf-8", errors="replace") if info.exists() else ""
    found = re.search(r"^model name[^:]*:(.*)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def package_versions() -> dict[str, str]:
    """Return the installed version of each library that shapes a result."""
    found = {}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _inputs(recipe: Recipe, loaded: Parts) -> list[dict[str, Any]]:
    """Return each input file with part, sha256 and rows; made and hub data have no file to hash."""
    found = []
    for part, sources in find_sources(recipe.data).items():
        rows = Counter(loaded[part]["file"].to_list())
        for source in sources:
            path = Path(source)
            # Rows carry a short name, long enough to tell the files of a recipe apart.
            count = sum(n for short, n in rows.items() if source.endswith(short))
            digest = sha256(path) if path.is_file() else None
            found.append({"part": part, "path": source, "sha256": digest, "rows": count})
    return found


def git_commit() -> str | None:
    """Return the commit of the working directory, or None outside a repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
