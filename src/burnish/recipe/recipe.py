"""The recipe as a whole."""

from typing import Literal

from pydantic import Field

from burnish.recipe.data import Data, Split
from burnish.recipe.evaluation import Evaluation, Tracking
from burnish.recipe.section import Section
from burnish.recipe.task import ClassificationTask
from burnish.recipe.training import FullMethod, Method, Training


class Recipe(Section):
    """Everything about a run; the least that is valid is `task`, `model` and `data`."""

    version: Literal[1] = Field(1, description="Version of the recipe format.")
    name: str = Field(
        "run",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="Name of runs of this recipe; letters, "
        "digits, dot, dash, underscore; at most 100.",
    )
    task: ClassificationTask = Field(description="What is asked of the model.")
    model: str = Field(
        min_length=1, description="Hub id, `id@revision`, folder, run folder, or MLflow URI."
    )
    data: Data = Field(description="Where the rows are.")
    split: Split = Field(Split(), description="How rows are divided.")
    method: Method = Field(FullMethod(), description="Which weights are trained.")
    training: Training = Field(Training(), description="How they are trained.")
    evaluation: Evaluation = Field(Evaluation(), description="How the result is judged.")
    tracking: Tracking = Field(Tracking(), description="Where the run is kept.")
