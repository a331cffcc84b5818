"""The file MLflow runs to load a registered model ("models from code").

MLflow keeps this file beside the model folder; loading goes through Burnish's own guarded
loader, so no pickle is read and no model code is trusted.
"""

from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.pyfunc import PythonModel

from burnish.training.modelfolder import Answerer


class BurnishModel(PythonModel):  # type: ignore[misc]  # MLflow publishes no types
    """Answers a table with a column `text`, one row each."""

    def load_context(self, context: Any) -> None:
        """Open the model folder that was logged as artifact `model`."""
        self._answerer = Answerer.open(Path(context.artifacts["model"]))

    def predict(
        self,
        context: Any,  # noqa: ARG002 - MLflow names the parameters
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> pd.DataFrame:
        """Return a table with columns `answer` (labels) and `scores` (label → probability)."""
        answers = self._answerer.answer([str(text) for text in model_input["text"]])
        return pd.DataFrame([{"answer": list(a.answer), "scores": a.scores} for a in answers])


mlflow.models.set_model(BurnishModel())
