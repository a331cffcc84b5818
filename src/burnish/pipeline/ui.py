"""MLflow's own page on the store a run was kept in."""

import subprocess

from burnish.tracking.mlflow import ui_command, ui_environment


def serve_ui(uri: str, *, port: int) -> int:
    """Run MLflow's page until it is stopped; return its exit code."""
    command, environment = ui_command(uri, port=port), ui_environment()
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
