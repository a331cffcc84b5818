"""How models that lie elsewhere are brought here: `models:/…` and `runs:/…` through MLflow."""

from collections.abc import Callable, Mapping
from pathlib import Path


def fetchers(tracking_uri: str) -> Mapping[str, Callable[[str], Path]]:
    """Return, by URI scheme, a function from a model URI to a local folder."""

    def fetch(reference: str) -> Path:
        from burnish.tracking.mlflow import download

        return download(reference, tracking_uri)

    return {"models": fetch, "runs": fetch}
