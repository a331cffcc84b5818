"""Keeps a finished model in MLflow as code plus files, without pickle.

MLflow stores the loader, a Python file that it runs when the model is loaded ("models from
code"), and a copy of the model folder as the artifact `model`. The steps of MLflow's own
`log_model` are done here one by one through a client: that one needs a global active run and
runs the model once more to look at its imports, which takes as long as a small evaluation.
`mlflow.transformers` is never used: it trusts remote code for architectures it does not know.

Called by `tracker`.
"""

import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from burnish.tracking.base import ModelInfo
from burnish.tracking.mlflow.store import environment

SUMMARY = "model_summary.txt"  # as MLflow's own loggers call it
NAME = "model"  # of the logged model in its run, and of the artifact with the model folder
_NEEDED = ("burnish", "mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy")
# MLflow would copy a lock file that happens to lie in the current folder into the model.
_NO_PROJECT_FILES = {"MLFLOW_UV_AUTO_DETECT": "false"}


def keep_model(client: Any, run_id: str, model: ModelInfo) -> str:
    """Log the model under its run, register it if it has a name, and return its `models:/` URI.

    Raises:
        mlflow.exceptions.MlflowException: the store refuses, or the loader file does not run.
    """
    from mlflow.entities import LoggedModelOutput

    run = client.get_run(run_id)
    logged = client.create_logged_model(
        run.info.experiment_id, name=NAME, source_run_id=run_id, model_type="burnish"
    )
    try:
        with tempfile.TemporaryDirectory(prefix="burnish-") as folder:
            _save(Path(folder) / NAME, run_id, logged, model)
            # With the model it goes wherever a version is registered; with the run it is seen.
            (Path(folder) / NAME / SUMMARY).write_text(model.summary, "utf-8")
            client.log_model_artifacts(logged.model_id, str(Path(folder) / NAME))
            client.log_text(run_id, model.summary, SUMMARY)
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    client.finalize_logged_model(logged.model_id, "READY")
    if model.registered_name:
        _register(client, run_id, logged, model.registered_name, model.aliases)
    return f"models:/{logged.model_id}"


def _save(folder: Path, run_id: str, logged: Any, model: ModelInfo) -> None:
    """Write MLflow's model folder: MLmodel, loader, artifacts/, requirements, input example."""
    import mlflow.pyfunc
    import pandas as pd
    from mlflow.models import Model, infer_signature

    example = pd.DataFrame({"text": model.input_example})
    with environment(_NO_PROJECT_FILES):
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(model.loader),
            artifacts={NAME: str(model.folder)},
            signature=infer_signature(example, model.output_example),
            input_example=example,
            # Stated, because MLflow would otherwise load the model in a second process to see what
            # it imports; without local parts such as `+cpu`.
            pip_requirements=[f"{name}=={version(name).partition('+')[0]}" for name in _NEEDED],
            metadata=dict(model.metadata),
            mlflow_model=Model(
                artifact_path=logged.artifact_location,
                model_uuid=logged.model_id,
                run_id=run_id,
                model_id=logged.model_id,
            ),
        )


def _register(client: Any, run_id: str, logged: Any, name: str, aliases: tuple[str, ...]) -> None:
    """Add the logged model as the newest version of a registered model; move aliases to it."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as err:
        if err.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    # By its location: a SQL registry looks `models:/<id>` up in the global store, not in ours.
    made = client.create_model_version(
        name, source=logged.artifact_location, run_id=run_id, model_id=logged.model_id
    )
    for alias in aliases:
        client.set_registered_model_alias(name, alias, made.version)
