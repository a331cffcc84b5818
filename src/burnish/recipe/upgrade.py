"""Bring a recipe written for an earlier version of the format up to the current one.

Each step is a pure function from the values of one version to those of the next, so an old
file keeps working and the resolved recipe says the current form.
"""

from collections.abc import Callable, Mapping
from typing import Any

CURRENT = 1
STEPS: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """Return `values` in the current version; a file without `version` is a current one."""
    version = values.get("version", CURRENT)
    while isinstance(version, int) and version in STEPS:
        values = {**STEPS[version](values), "version": version + 1}
        version += 1
    return values
