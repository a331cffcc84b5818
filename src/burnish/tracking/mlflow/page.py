"""The command that shows MLflow's page for a store. Called by `burnish ui`."""

import os
import sys

from burnish.errors import TrackerError
from burnish.tracking.mlflow.store import absolute_uri, artifact_root, is_server, shown

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # that MLflow knows


def ui_command(uri: str, *, port: int = 5000) -> list[str]:
    """Return the command line of MLflow's server for a local store, on 127.0.0.1 only.

    Run it with `ui_environment()`.

    Args:
        uri: the store, as in recipe key `tracking.uri`.
        port: TCP port, 1-65535.

    Raises:
        TrackerError: BN403, the URI is of a server, which has its page already, or of no database.
    """
    if is_server(uri):
        raise TrackerError(
            "this store is a server, which shows its page itself",
            where=shown(uri),
            fix=f"open {shown(uri)} in a browser",
        )
    if uri.partition(":")[0].partition("+")[0] not in _DATABASES:
        raise TrackerError(
            "MLflow's page shows stores that are databases",
            where=shown(uri),
            fix="name one as in recipe key `tracking.uri`, such as sqlite:///burnish.db",
        )
    options = {
        "--backend-store-uri": absolute_uri(uri),
        "--default-artifact-root": artifact_root(uri).as_uri(),
        "--host": "127.0.0.1",
        "--port": str(port),
        "--workers": "1",
    }
    arguments = [part for option in options.items() for part in option]
    return [sys.executable, "-m", "mlflow", "server", *arguments]


def ui_environment() -> dict[str, str]:
    """Return this process's environment, without MLflow's usage reports and job workers.

    The seven job workers serve features that are not used here, and outlive a killed server.
    """
    return {
        **os.environ,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
