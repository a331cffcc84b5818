"""MLflow's own page on the store a run was kept in."""

import subprocess

from burnish.serving.address import open_socket
from burnish.tracking.mlflow import ui_command, ui_environment


def serve_ui(uri: str, *, port: int) -> int:
    """Run MLflow's page until it is stopped; return its exit code.

    Raises:
        TrackerError: BN403, the URI is of a server, or of no database.
        ServerError: BN707, another program has the port.
    """
    command, environment = ui_command(uri, port=port), ui_environment()
    # MLflow would say so after ten seconds, and end as if all were well.
    open_socket("127.0.0.1", port).close()
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603
