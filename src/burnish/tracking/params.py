"""Nested settings as the flat names with dots that trackers want.

Called by the pipeline with the resolved recipe, so that `training.learning_rate` has the same
name in the recipe, on the command line and in every tracker.
"""

import json
from collections.abc import Mapping
from typing import Any

Scalar = str | int | float | bool | None


def flat_params(settings: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return settings with one level: keys joined by dots, lists as JSON.

    An empty mapping is kept as `{}` rather than lost. Values that are no scalar, list or
    mapping are told by `str`.
    """
    flat: dict[str, Scalar] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= {f"{key}.{inner}": told for inner, told in flat_params(value).items()}
        else:
            flat[str(key)] = _scalar(value)
    return flat


def _scalar(value: Any) -> Scalar:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def written(value: Scalar) -> str:
    """Return a setting as a recipe would write it: `null`, `true`, `0.1`, plain text."""
    return value if isinstance(value, str) else json.dumps(value)
