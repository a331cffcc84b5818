"""Recipe sections `evaluation` and `tracking`: how the result is judged and where it is kept."""

from pydantic import Field

from burnish.recipe.section import Section, Seed
from burnish.recipe.task import CausalTask, ClassificationTask, Seq2SeqTask


class Gate(Section):
    """One condition for the verdict `ship`: better than a rival, beyond doubt."""

    metric: str | None = Field(None, description="Metric compared; null: the task's own.")
    over: str = Field(
        "best-baseline",
        description="The rival: a system's name, or best-baseline (the best but `base`).",
    )
    margin: float = Field(
        0.0,
        ge=-1,
        le=1,
        description="How much better the lower end of the paired 95 % interval "
        "must be, in the metric's unit.",
    )


class Evaluation(Section):
    """Metrics, rivals, slices, and the gates of the verdict."""

    metrics: tuple[str, ...] = Field((), description="Metrics to report; empty: all of the task's.")
    baselines: tuple[str, ...] = Field(
        ClassificationTask.default_rivals,
        description="Rivals trained and scored on the same rows. If not written: "
        + "; ".join(
            f"{kind.model_fields['kind'].default}: {', '.join(kind.default_rivals)}"
            for kind in (ClassificationTask, CausalTask, Seq2SeqTask)
        )
        + "; none where plain texts are learned.",
    )
    base: bool = Field(True, description="Score the untouched model too, where it can answer.")
    slices: tuple[str, ...] = Field((), description="Columns by whose values the metrics are told.")
    gates: tuple[Gate, ...] = Field(
        (Gate(),),
        description="All must hold for the verdict `ship`. If not written: better than every "
        "baseline, and than `base` where plain texts are learned.",
    )
    resamples: int = Field(
        2000, ge=100, le=100_000, description="Bootstrap resamples behind each interval, a count."
    )
    seed: Seed = Field(0, description="Seed of the bootstrap, a whole number.")


class Tracking(Section):
    """Where parameters, metrics and files of the run are kept besides the run folder."""

    trackers: tuple[str, ...] = Field(
        ("mlflow",), description="Registered trackers: mlflow, tensorboard; empty: none."
    )
    uri: str = Field("sqlite:///burnish.db", min_length=1, description="MLflow store or server.")
    experiment: str | None = Field(None, description="MLflow experiment; null: the recipe's name.")
    register_: str | None = Field(
        None, alias="register", description="Registered model name in MLflow; null: not registered."
    )
    description: str = Field("", description="A note kept with the run.")
    folder: str = Field("burnish-tensorboard", description="Folder of TensorBoard's event files.")
    every_steps: int = Field(
        10,
        ge=1,
        le=100_000,
        description="Training metrics are sent every so many optimizer steps, in steps.",
    )
    system_metrics: bool = Field(True, description="Sample CPU, memory, disk and network use.")
