"""What this machine can do, before anything is asked of it."""

import os
from importlib.util import find_spec
from typing import Any

from burnish.pipeline.manifest import machine, package_versions
from burnish.recipe.training import Training
from burnish.training.hardware import probe
from burnish.training.hub import STARTERS, hub_reachable


def examine() -> dict[str, Any]:
    """Return machine, chosen hardware settings, versions, hub and starter models."""
    return {
        "machine": machine(),
        "hardware": probe(Training()).to_json(),
        "versions": package_versions(),
        "hub": {
            "reachable": hub_reachable(),
            "offline": os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0"),
        },
        "starter_models": {
            reference: find_spec(starter.module) is not None
            for reference, starter in STARTERS.items()
        },
    }
