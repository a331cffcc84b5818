"""The recipe as a whole."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from burnish.recipe.data import Columns, Data, Split
from burnish.recipe.evaluation import Evaluation, Gate, Tracking
from burnish.recipe.section import Section
from burnish.recipe.task import TaskSection
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
    task: TaskSection = Field(description="What is asked of the model.")
    model: str = Field(
        min_length=1, description="Hub id, `id@revision`, folder, run folder, or MLflow URI."
    )
    data: Data = Field(description="Where the rows are.")
    split: Split = Field(Split(), description="How rows are divided.")
    method: Method = Field(FullMethod(), description="Which weights are trained.")
    training: Training = Field(Training(), description="How they are trained.")
    evaluation: Evaluation = Field(
        Evaluation(), validate_default=True, description="How the result is judged."
    )
    tracking: Tracking = Field(Tracking(), description="Where the run is kept.")

    @field_validator("evaluation")
    @classmethod
    def _rivals_fit_the_task(cls, evaluation: Evaluation, info: ValidationInfo) -> Evaluation:
        """Write the task's own rivals into a section that names none."""
        if "task" not in info.data:
            return evaluation
        rivals, given = info.data["task"].default_rivals, evaluation.model_fields_set
        usual = {"baselines": rivals}
        if not rivals:  # a task without a cheap rival has only the model it started from
            usual["gates"] = (Gate(over="base"),)
        return evaluation.model_copy(
            update={key: value for key, value in usual.items() if key not in given}
        )

    @property
    def further_columns(self) -> tuple[str, ...]:
        """Columns that signals, rules and probes name."""
        probes = self.evaluation.probes
        hidden = (probes.hide,) if probes and probes.hide else ()
        return tuple(dict.fromkeys((*self.data.further_columns, *hidden)))

    @property
    def rivals(self) -> tuple[str, ...]:
        """Names of the baselines, as written or the task's own."""
        return self.evaluation.baselines

    @property
    def columns(self) -> Columns:
        """The columns that hold what is asked and what should be answered."""
        return self.data.columns(self.task.asked)
