"""MLflow: the only package that imports mlflow, and it does so inside functions.

`tracker` reports a run; `model` logs and registers the finished model; `fetch` brings models
and checkpoints back; `store` opens what a tracking URI names; `page` shows it in a browser.
Importing mlflow takes two seconds, so nothing here does until a run starts.
"""

from burnish.tracking.mlflow.fetch import checkpoint, checkpoints, download
from burnish.tracking.mlflow.page import ui_command, ui_environment
from burnish.tracking.mlflow.tracker import MlflowTracker, from_recipe

__all__ = [
    "MlflowTracker",
    "checkpoint",
    "checkpoints",
    "download",
    "from_recipe",
    "ui_command",
    "ui_environment",
]
